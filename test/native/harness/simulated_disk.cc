#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/simulated_platform.h"

namespace mmcb::harness {
namespace {

uint64_t pages_of(uint64_t size) { return (size + kDiskPage - 1) / kDiskPage; }

void resize_zeroed(Image* image, uint64_t size) { image->resize(size); }  // new elements are value-initialised: zeros

}  // namespace

SimulatedDisk::SimulatedDisk(uint64_t seed) : random_(seed) {
  fd_ = memfd_create("simulated disk", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, kCapacity) != 0) std::abort();
  void* const mapping = mmap(nullptr, kCapacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (mapping == MAP_FAILED) std::abort();
  live_ = static_cast<std::byte*>(mapping);
}

SimulatedDisk::~SimulatedDisk() {
  munmap(live_, kCapacity);
  close(fd_);
}

void SimulatedDisk::load(const Image& image) {
  load_live(image);
  durable_ = image;
  pending_.clear();
  lost_.clear();
}

void SimulatedDisk::load_live(const Image& image) {
  std::copy(image.begin(), image.end(), live_);
  if (size_ > image.size()) std::memset(live_ + image.size(), 0, size_ - image.size());
  size_ = image.size();
  dead_ = false;
  begun_ = honour_begun_ = false;
  fail_sync_ = fail_allocate_ = 0;
}

void SimulatedDisk::copy_from(const SimulatedDisk& other) {
  Image live;
  other.live_image(&live);
  load_live(live);
  durable_ = other.durable_;
  pending_ = other.pending_;
  lost_ = other.lost_;
  boot_ = other.boot_;
}

void SimulatedDisk::live_image(Image* image) const { image->assign(live_, live_ + size_); }

void SimulatedDisk::durable_image(Image* image) const { *image = durable_; }

// ---- What is where ---------------------------------------------------------------------------------------------------

bool SimulatedDisk::is_dirty(uint64_t page) const {
  const uint64_t at = page * kDiskPage;
  const uint64_t length = std::min(kDiskPage, size_ - at);
  if (const auto lost = lost_.find(page); lost != lost_.end()) {
    return std::memcmp(live_ + at, lost->second.data(), length) != 0;
  }
  static const std::byte zeros[kDiskPage] = {};
  const std::byte* const disk = at + length <= durable_.size() ? durable_.data() + at : zeros;
  return std::memcmp(live_ + at, disk, length) != 0;
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
    resize_zeroed(image, change.offset);
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
  lost_.erase(page);
}

std::vector<uint32_t> SimulatedDisk::dirty_pages() const {
  std::vector<uint32_t> pages;
  for (uint64_t page = 0; page < pages_of(size_); page++) {
    if (is_dirty(page)) pages.push_back(static_cast<uint32_t>(page));
  }
  return pages;
}

// ---- Images ------------------------------------------------------------------------------------------------------------

void SimulatedDisk::make_image(Image* image) {
  static constexpr uint64_t kSurvival[] = {0, 5, 50, 95, 100};
  const uint64_t survival = kSurvival[random_.below(5)];
  const bool tearing = random_.one_in(2);
  const size_t changes = survival == 0     ? 0
                         : survival == 100 ? pending_.size()
                                           : static_cast<size_t>(random_.below(pending_.size() + 1));
  *image = durable_;
  for (size_t i = 0; i < changes; i++) apply(pending_[i], image);
  const uint64_t shared = std::min<uint64_t>(image->size(), size_);
  for (uint64_t page = 0; page < shared / kDiskPage; page++) {
    const uint64_t at = page * kDiskPage;
    if (std::memcmp(image->data() + at, live_ + at, kDiskPage) == 0 || !is_dirty(page)) continue;
    if (!random_.percent(survival) || is_awaited(page, changes)) continue;
    if (!tearing || !random_.one_in(4)) {
      std::memcpy(image->data() + at, live_ + at, kDiskPage);
      continue;
    }
    const uint64_t sectors = random_.below(256);
    for (uint64_t s = 0; s < kDiskPage / kDiskSector; s++) {
      if (sectors >> s & 1)
        std::memcpy(image->data() + at + s * kDiskSector, live_ + at + s * kDiskSector, kDiskSector);
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
    std::memcpy(image->data() + at, live_ + at, kDiskPage);
  }
}

void SimulatedDisk::make_evicted_image(Image* image) {
  live_image(image);
  for (auto lost = lost_.begin(); lost != lost_.end();) {
    const uint64_t at = lost->first * kDiskPage;
    // One that was stored to since is dirty again, and no dirty page is ever dropped.
    if (!is_dirty(lost->first) && random_.one_in(2) &&
        at + kDiskPage <= std::min<uint64_t>(image->size(), durable_.size())) {
      std::memcpy(image->data() + at, durable_.data() + at, kDiskPage);
      lost = lost_.erase(lost);
    } else {
      ++lost;
    }
  }
}

// ---- The kernel --------------------------------------------------------------------------------------------------------

void SimulatedDisk::write_back_some() {
  if (dead_) return;
  if (!pending_.empty() && random_.one_in(2)) apply_to_disk(random_.between(1, pending_.size()));
  const uint64_t pages = pages_of(size_);
  if (pages == 0) return;
  for (uint64_t n = random_.between(1, 4); n > 0; n--) {
    // The head, where superblocks, state and journal are, more often than its share.
    const uint64_t page = random_.one_in(4) ? random_.below(std::min<uint64_t>(pages, 4)) : random_.below(pages);
    if (!is_awaited(page, 0) && is_dirty(page)) write_page(page, live_ + page * kDiskPage);
  }
}

void SimulatedDisk::begin_sync() {
  begun_ = true;
  begun_changes_ = pending_.size();
  begun_pages_ = dirty_pages();
  begun_content_.assign(live_, live_ + size_);
}

void SimulatedDisk::finish_begun_sync() {
  apply_to_disk(begun_changes_);
  for (const uint32_t page : begun_pages_) write_page(page, begun_content_.data() + page * kDiskPage);
  // What was stored since may have made it too.
  if (random_.one_in(2)) apply_to_disk(random_.below(pending_.size() + 1));
  for (const uint32_t page : begun_pages_) {
    if (page < pages_of(size_) && random_.one_in(2) && !is_awaited(page, 0)) write_page(page, live_ + page * kDiskPage);
  }
}

Status SimulatedDisk::sync() {
  if (dead_) return Status();
  if (fail_sync_ != 0 && --fail_sync_ == 0) return failing_sync();
  const bool begun = begun_ && honour_begun_;
  if (honour_begun_) begun_ = honour_begun_ = false;
  if (begun) {
    finish_begun_sync();
    return Status();
  }
  apply_to_disk(pending_.size());
  for (const uint32_t page : dirty_pages()) write_page(page, live_ + page * kDiskPage);
  return Status();
}

Status SimulatedDisk::failing_sync() {
  begun_ = honour_begun_ = false;
  apply_to_disk(random_.below(pending_.size() + 1));
  for (const uint32_t page : dirty_pages()) {
    const std::byte* const bytes = live_ + page * kDiskPage;
    if (random_.one_in(2) && !is_awaited(page, 0)) {
      write_page(page, bytes);
    } else {
      lost_[page].assign(bytes, bytes + kDiskPage);
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
  size_ = offset + length;
  pending_.push_back({Change::Type::kGrow, size_, old_size});
  return Status();
}

Status SimulatedDisk::truncate(uint64_t length) {
  if (dead_ || length == size_) return Status();
  if (length > size_) return allocate(size_, length - size_);
  std::memset(live_ + length, 0, size_ - length);
  size_ = length;
  lost_.erase(lost_.lower_bound(pages_of(length)), lost_.end());
  pending_.push_back({Change::Type::kTruncate, length, 0});
  return Status();
}

Status SimulatedDisk::punch_hole(uint64_t offset, uint64_t length) {
  if (dead_) return Status();
  const uint64_t end = std::min(offset + length, size_);
  if (offset >= end) return Status();
  std::memset(live_ + offset, 0, end - offset);
  for (uint64_t page = offset / kDiskPage; page < pages_of(end); page++) lost_.erase(page);
  pending_.push_back({Change::Type::kPunch, offset, end - offset});
  return Status();
}

}  // namespace mmcb::harness
