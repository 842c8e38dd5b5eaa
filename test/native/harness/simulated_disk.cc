#include "harness/simulated_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "harness/mutation.h"

namespace mmcb::harness {
namespace {

constexpr uint64_t kSyncsPerAudit = 16;
constexpr uint32_t kNoPage = ~0u;

uint64_t pages_of(uint64_t size) { return (size + kDiskPage - 1) / kDiskPage; }

}  // namespace

SimulatedDisk::SimulatedDisk(uint64_t seed) : random_(seed), spare_(pool_.take(kCapacity, nullptr)), block_(spare_) {
  if (block_ == nullptr) std::abort();
  MemoryPool::set_accessible(*block_, kCapacity);
  watch_stores_to(this);
}

SimulatedDisk::~SimulatedDisk() { stop_watching(this); }

void SimulatedDisk::load(const Image& image) {
  load_live(image);
  durable_ = image;
  pending_.clear();
  clear_pages(0, pages_.size());
  name_is_durable_ = true;
}

void SimulatedDisk::load_live(const Image& image) {
  resize_live(image.size());
  std::copy(image.begin(), image.end(), live());
  dead_ = false;
  begun_ = honour_begun_ = false;
  fail_sync_ = fail_allocate_ = 0;
}

void SimulatedDisk::copy_from(const SimulatedDisk& other) {
  load_live({});
  resize_live(other.size_);
  std::memcpy(live(), other.live(), other.size_);
  durable_ = other.durable_;
  pending_ = other.pending_;
  pages_ = other.pages_;
  lost_ = other.lost_;
  boot_ = other.boot_;
  name_is_durable_ = other.name_is_durable_;
}

void SimulatedDisk::live_image(Image* image) const { image->assign(live(), live() + size_); }

void SimulatedDisk::durable_image(Image* image) const { *image = durable_; }

void SimulatedDisk::move_live_to(MemoryBlock& block) {
  copy_live_to(block);
  block_ = &block;
  copy_ = nullptr;
}

void SimulatedDisk::copy_live_to(MemoryBlock& block) {
  if (is_same_in(block)) return;
  MemoryPool::set_accessible(block, size_);
  std::memcpy(block.base, live(), size_);
  copy_ = &block;
  copied_version_ = version_;
}

void SimulatedDisk::resize_live(uint64_t size) {
  version_++;
  if (size > kCapacity) std::abort();
  MemoryPool::set_accessible(*block_, size);
  if (size > size_) std::memset(live() + size_, 0, size - size_);
  size_ = size;
}

// ---- What is where ---------------------------------------------------------------------------------------------------

bool SimulatedDisk::note_store(const std::byte* at, size_t length) {
  const std::byte* const start = live();
  if (at < start || at >= start + size_) {
    if (copy_ != nullptr && at >= copy_->base && at < copy_->base + copy_->length) copy_ = nullptr;
    return false;
  }
  version_++;
  const auto first = static_cast<uint64_t>(at - start) / kDiskPage;
  const auto last = static_cast<uint64_t>(at + length - 1 - start) / kDiskPage;
  for (uint64_t page = first; page <= last && page < pages_.size(); page++) {
    if ((pages_[page] & kLost) != 0) lost_--;
    pages_[page] = kDirty;
  }
  return true;
}

void SimulatedDisk::clear_pages(uint64_t from, uint64_t end) {
  for (uint64_t page = from; page < end; page++) {
    if ((pages_[page] & kLost) != 0) lost_--;
    pages_[page] = 0;
  }
}

void SimulatedDisk::drop_pages(uint64_t from, uint64_t end) {
  clear_pages(from, end);
  // The kernel waits for writes under way before it takes a page out of the file.
  for (uint32_t& page : begun_pages_) {
    if (page >= from && page < end) page = kNoPage;
  }
}

bool SimulatedDisk::differs(uint64_t page) const {
  const uint64_t at = page * kDiskPage;
  if (at >= size_) return false;
  const uint64_t length = std::min(kDiskPage, size_ - at);
  static const std::byte zeros[kDiskPage] = {};
  const std::byte* const disk = at + length <= durable_.size() ? durable_.data() + at : zeros;
  return std::memcmp(live() + at, disk, length) != 0;
}

bool SimulatedDisk::is_awaited(uint64_t page, size_t first) const {
  const uint64_t at = page * kDiskPage;
  for (size_t i = first; i < pending_.size(); i++) {
    const Change& c = pending_[i];
    switch (c.type) {
      case Change::Type::kGrow:
        if (at >= c.length && at < c.offset) return true;
        break;
      case Change::Type::kTruncate:
        if (at >= c.offset) return true;
        break;
      case Change::Type::kPunch:
        if (at + kDiskPage > c.offset && at < c.offset + c.length) return true;
        break;
    }
  }
  return false;
}

void SimulatedDisk::apply(const Change& change, Image* image) {
  if (change.type == Change::Type::kPunch) {
    const uint64_t end = std::min<uint64_t>(change.offset + change.length, image->size());
    if (change.offset < end) std::memset(image->data() + change.offset, 0, end - change.offset);
  } else {
    image->resize(change.offset);  // new elements are value-initialised: zeros
  }
}

void SimulatedDisk::apply_to_disk(size_t changes) {
  for (size_t i = 0; i < changes; i++) apply(pending_[i], &durable_);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(changes));
  begun_changes_ -= std::min(begun_changes_, changes);
}

void SimulatedDisk::write_page(uint64_t page, const std::byte* from) {
  const uint64_t at = page * kDiskPage;
  if (at >= durable_.size()) return;
  std::memcpy(durable_.data() + at, from, std::min<uint64_t>(kDiskPage, durable_.size() - at));
  // What was stored since `from` was taken is still to be written.
  if (from != live() + at && differs(page)) return;
  // A write under way does not come after a later one of the same page.
  drop_pages(page, page + 1);
}

std::vector<uint32_t> SimulatedDisk::dirty_pages() const {
  std::vector<uint32_t> pages;
  for (uint64_t page = 0; page < pages_of(size_); page++) {
    if (is_dirty(page)) pages.push_back(static_cast<uint32_t>(page));
  }
  return pages;
}

void SimulatedDisk::audit() {
  for (uint64_t page = 0; page < pages_of(size_); page++) {
    if (pages_[page] != 0 || is_awaited(page, 0) || !differs(page)) continue;
    violation_ = "page " + std::to_string(page) + " was changed by a store that did not go through stores.h";
  }
}

// ---- Images ------------------------------------------------------------------------------------------------------------

void SimulatedDisk::make_image(Image* image) {
  static constexpr uint64_t kSurvival[] = {0, 5, 50, 95, 100};
  const uint64_t survival = kSurvival[random_.below(5)];
  const bool tearing = random_.one_in(2);
  if (!name_is_durable_ && random_.one_in(4)) {
    image->clear();
    return;
  }
  const size_t changes = survival == 0     ? 0
                         : survival == 100 ? pending_.size()
                                           : static_cast<size_t>(random_.below(pending_.size() + 1));
  *image = durable_;
  for (size_t i = 0; i < changes; i++) apply(pending_[i], image);
  const uint64_t shared = std::min<uint64_t>(image->size(), size_);
  for (uint64_t page = 0; page < shared / kDiskPage; page++) {
    const uint64_t at = page * kDiskPage;
    if (!is_dirty(page) || std::memcmp(image->data() + at, live() + at, kDiskPage) == 0) continue;
    if (!random_.percent(survival) || is_awaited(page, changes)) continue;
    if (!tearing || !random_.one_in(4)) {
      std::memcpy(image->data() + at, live() + at, kDiskPage);
      continue;
    }
    const uint64_t sectors = random_.below(256);
    for (uint64_t s = 0; s < kDiskPage / kDiskSector; s++) {
      if (sectors >> s & 1)
        std::memcpy(image->data() + at + s * kDiskSector, live() + at + s * kDiskSector, kDiskSector);
    }
  }
}

void SimulatedDisk::make_image_of(const std::vector<uint32_t>& pages, uint64_t mask, size_t changes,
                                  Image* image) const {
  *image = durable_;
  for (size_t i = 0; i < changes; i++) apply(pending_[i], image);
  for (size_t i = 0; i < pages.size(); i++) {
    const uint64_t at = pages[i] * kDiskPage;
    if ((mask >> i & 1) == 0 || at + kDiskPage > image->size() || is_awaited(pages[i], changes)) continue;
    std::memcpy(image->data() + at, live() + at, kDiskPage);
  }
}

void SimulatedDisk::make_evicted_image(Image* image) {
  for (uint64_t n = lost_; n > 0; n--) {
    if (random_.one_in(2)) evict_lost_page();
  }
  live_image(image);
}

// ---- The kernel --------------------------------------------------------------------------------------------------------

void SimulatedDisk::write_back_some() {
  if (dead_) return;
  if (!pending_.empty() && random_.one_in(2)) apply_to_disk(random_.between(1, pending_.size()));
  if (!name_is_durable_ && random_.one_in(8)) sync_name();
  const uint64_t pages = pages_of(size_);
  if (pages == 0) return;
  for (uint64_t n = random_.between(1, 4); n > 0; n--) {
    // The head, where superblocks, state and journal are, more often than its share.
    const uint64_t page = random_.one_in(4) ? random_.below(std::min<uint64_t>(pages, 4)) : random_.below(pages);
    if (is_dirty(page) && !is_awaited(page, 0)) write_page(page, live() + page * kDiskPage);
  }
  if (random_.one_in(4)) evict_lost_page();
}

void SimulatedDisk::evict_lost_page() {
  if (lost_ == 0 || dead_) return;
  // One that was stored to since is dirty again, and no dirty page is ever dropped.
  uint64_t nth = random_.below(lost_);
  for (uint64_t page = 0; page < pages_.size(); page++) {
    if ((pages_[page] & kLost) == 0 || nth-- != 0) continue;
    const uint64_t at = page * kDiskPage;
    if (at + kDiskPage <= std::min<uint64_t>(size_, durable_.size()) && !is_awaited(page, 0)) {
      version_++;
      std::memcpy(live() + at, durable_.data() + at, kDiskPage);
      clear_pages(page, page + 1);
    }
    return;
  }
}

void SimulatedDisk::begin_sync() {
  begun_ = true;
  begun_changes_ = pending_.size();
  begun_pages_ = dirty_pages();
  begun_content_.resize(begun_pages_.size() * kDiskPage);
  for (size_t i = 0; i < begun_pages_.size(); i++) {
    std::memcpy(begun_content_.data() + i * kDiskPage, live() + begun_pages_[i] * kDiskPage, kDiskPage);
  }
}

void SimulatedDisk::finish_begun_sync() {
  apply_to_disk(begun_changes_);
  for (size_t i = 0; i < begun_pages_.size(); i++) {
    if (begun_pages_[i] != kNoPage) write_page(begun_pages_[i], begun_content_.data() + i * kDiskPage);
  }
  // What was stored since may have made it too.
  if (random_.one_in(2)) apply_to_disk(random_.below(pending_.size() + 1));
  for (const uint32_t page : begun_pages_) {
    if (page != kNoPage && random_.one_in(2) && !is_awaited(page, 0)) write_page(page, live() + page * kDiskPage);
  }
}

Status SimulatedDisk::sync() {
  if (dead_) return Status();
  if (--syncs_until_audit_ == 0) {
    syncs_until_audit_ = kSyncsPerAudit;
    audit();
  }
  if (fail_sync_ != 0 && --fail_sync_ == 0) return failing_sync();
  const bool begun = begun_ && honour_begun_;
  if (honour_begun_) begun_ = honour_begun_ = false;
  if (begun) {
    finish_begun_sync();
    return Status();
  }
  apply_to_disk(pending_.size());
  for (const uint32_t page : dirty_pages()) write_page(page, live() + page * kDiskPage);
  return Status();
}

Status SimulatedDisk::failing_sync() {
  begun_ = honour_begun_ = false;
  apply_to_disk(random_.below(pending_.size() + 1));
  for (const uint32_t page : dirty_pages()) {
    if (random_.one_in(2) && !is_awaited(page, 0)) {
      write_page(page, live() + page * kDiskPage);
    } else {
      pages_[page] = kLost;
      lost_++;
    }
  }
  return Status(Code::kIo, "simulated sync failure", EIO);
}

// ---- What the engine asks for --------------------------------------------------------------------------------------------

Status SimulatedDisk::allocate(uint64_t offset, uint64_t length) {
  if (dead_) return Status();
  if (offset + length > kCapacity) return Status(Code::kNoSpace, "simulated disk full", ENOSPC);
  // The head is never punched: asking for what is there is granted on a full disk, too.
  if (offset == 0 && length <= size_) return Status();
  if (fail_allocate_ != 0 && --fail_allocate_ == 0) return Status(Code::kNoSpace, "simulated disk full", ENOSPC);
  if (offset + length <= size_) return Status();
  const uint64_t old_size = size_;
  if (old_size == 0 && has_name_) name_is_durable_ = false;
  resize_live(offset + length);
  pending_.push_back({Change::Type::kGrow, size_, old_size});
  return Status();
}

Status SimulatedDisk::truncate(uint64_t length) {
  if (dead_ || length == size_) return Status();
  if (length > size_) return allocate(size_, length - size_);
  drop_pages(pages_of(length), pages_of(size_));
  resize_live(length);
  pending_.push_back({Change::Type::kTruncate, length, 0});
  return Status();
}

Status SimulatedDisk::punch_hole(uint64_t offset, uint64_t length) {
  if (dead_) return Status();
  const uint64_t end = std::min(offset + length, size_);
  if (offset >= end) return Status();
  version_++;
  std::memset(live() + offset, 0, end - offset);
  drop_pages(offset / kDiskPage, pages_of(end));
  pending_.push_back({Change::Type::kPunch, offset, end - offset});
  return Status();
}

}  // namespace mmcb::harness
