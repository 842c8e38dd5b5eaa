#include "fuzz/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define MMCB_FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MMCB_FUZZ_ASAN 1
#endif
#endif
#if MMCB_FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace mmcb::fuzz {
namespace {

void poison([[maybe_unused]] const std::byte* from, [[maybe_unused]] uint64_t length) {
#if MMCB_FUZZ_ASAN
  ASAN_POISON_MEMORY_REGION(from, length);
#endif
}

void unpoison([[maybe_unused]] const std::byte* from, [[maybe_unused]] uint64_t length) {
#if MMCB_FUZZ_ASAN
  ASAN_UNPOISON_MEMORY_REGION(from, length);
#endif
}

// Memory is made accessible in steps of this.
constexpr uint64_t kStep = 256 << 10;
constexpr uint64_t kSectors = 8;
constexpr uint64_t kSector = kDiskPage / kSectors;

uint64_t pages_of(uint64_t size) { return (size + kDiskPage - 1) / kDiskPage; }

}  // namespace

// ---- Files as an engine sees them ------------------------------------------------------------------------------------

class MachineFile final : public File {
 public:
  MachineFile(Machine& machine, std::shared_ptr<Machine::Node> node) : machine_(machine), node_(std::move(node)) {
    node_->opened++;
  }
  ~MachineFile() override { node_->opened--; }

  FileIdentity identity() const override { return {7, node_->inode}; }
  Status lock(LockMode mode) override {
    if (node_->opened == 1 || mode == LockMode::kShared) return Status();
    return Status(Code::kLocked, "in use", EWOULDBLOCK);
  }
  Status size(uint64_t* bytes) override {
    *bytes = node_->live.size();
    return Status();
  }

  Status allocate(uint64_t offset, uint64_t length) override {
    if (machine_.dead_) return Status();
    if (length > Machine::kCapacity || offset > Machine::kCapacity - length)
      return Status(Code::kNoSpace, "simulated full disk", ENOSPC);
    std::vector<bool>& hollow = node_->hollow;
    hollow.resize(pages_of(node_->live.size()));
    const auto from =
        hollow.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(offset / kDiskPage, hollow.size()));
    const auto to =
        hollow.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(pages_of(offset + length), hollow.size()));
    const bool grows = offset + length > node_->live.size();
    if (machine_.refuses(grows || std::find(from, to, true) != to))
      return Status(Code::kNoSpace, "simulated full disk", ENOSPC);
    std::fill(from, to, false);
    if (!grows) return Status();
    node_->pending.push_back({Machine::Change::Type::kGrow, offset + length, node_->live.size()});
    node_->live.resize(offset + length);
    return Status();
  }

  Status truncate(uint64_t length) override {
    if (machine_.dead_ || length == node_->live.size()) return Status();
    if (length > node_->live.size()) return allocate(node_->live.size(), length - node_->live.size());
    if (node_->shared != nullptr && length < node_->shared_end) fail("truncate() under a mapping");
    node_->pending.push_back({Machine::Change::Type::kTruncate, length, 0});
    node_->live.resize(length);
    return Status();
  }

  Status punch_hole(uint64_t offset, uint64_t length) override {
    if (machine_.dead_) return Status();
    const uint64_t end = std::min<uint64_t>(offset + length, node_->live.size());
    if (offset >= end) return Status();
    std::memset(node_->live.data() + offset, 0, end - offset);
    const uint64_t mapped_end = std::min(end, node_->shared_end);
    if (node_->shared != nullptr && offset < mapped_end) std::memset(node_->shared + offset, 0, mapped_end - offset);
    node_->pending.push_back({Machine::Change::Type::kPunch, offset, end - offset});
    node_->hollow.resize(pages_of(node_->live.size()));
    for (uint64_t page = pages_of(offset); page < end / kDiskPage; page++) node_->hollow[page] = true;
    return Status();
  }

  Status sync() override {
    if (machine_.dead_) return Status();
    Machine::collect(*node_);
    if (machine_.fail_sync_ != 0 && --machine_.fail_sync_ == 0) {
      machine_.lose_pages(*node_);
      return Status(Code::kIo, "simulated sync failure", EIO);
    }
    node_->durable = node_->live;
    node_->pending.clear();
    return Status();
  }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    if (offset % kDiskPage != 0) fail("map() of an unaligned range");
    if (offset + length > pages_of(node_->live.size()) * kDiskPage) fail("map() beyond the end of the file");
    const uint64_t end = std::min<uint64_t>(offset + length, node_->live.size());
    Machine::collect(*node_);
    machine_.make_accessible(base + offset, length);
    if (end > offset) std::memcpy(base + offset, node_->live.data() + offset, end - offset);
    std::memset(base + end, 0, offset + length - end);
    if (mode == MapMode::kShared && !machine_.dead_) {
      node_->shared = base;
      node_->shared_end = std::max(node_->shared_end, end);
    }
    return Status();
  }

  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    if (node_->shared == base && offset < node_->shared_end) {
      Machine::collect(*node_);
      node_->shared_end = offset;
      if (offset == 0) node_->shared = nullptr;
    }
    poison(base + offset, length);
    return Status();
  }

  void populate(std::byte*, uint64_t, uint64_t, Populate) override {}

 private:
  Machine& machine_;
  const std::shared_ptr<Machine::Node> node_;
};

// ---- Files as the target sees them -----------------------------------------------------------------------------------

Machine::Machine() = default;

Machine::~Machine() {
  for (const auto& arena : arenas_) {
    unpoison(arena->base, arena->accessible);
    munmap(arena->base, arena->length);
  }
}

void Machine::reset(uint64_t seed) {
  files_.clear();
  revive();
  dice_ = Dice(seed);
  next_inode_ = 1;
  clock_ = 0;
  boot_ = 1;
}

void Machine::put(const std::string& path, const Image& image) {
  auto& node = files_[path];
  if (node == nullptr) {
    node = std::make_shared<Node>();
    node->inode = next_inode_++;
  }
  node->live = image;
  node->durable = image;
  node->pending.clear();
  node->hollow.clear();
  node->shared = nullptr;
  node->shared_end = 0;
}

const Image& Machine::live(const std::string& path) {
  static const Image none;
  const auto node = files_.find(path);
  if (node == files_.end()) return none;
  collect(*node->second);
  return node->second->live;
}

bool Machine::refuses(bool needs_blocks) {
  if (fail_allocate_ == 0 || !(needs_blocks || copies_on_write_) || --fail_allocate_ != 0) return false;
  if (full_for_good_) fail_allocate_ = 1;
  if (!needs_blocks) needless_refusals_++;
  return true;
}

// Brings what was stored into the mapping home.
void Machine::collect(Node& node) {
  if (node.shared != nullptr) std::memcpy(node.live.data(), node.shared, std::min(node.shared_end, node.live.size()));
}

void Machine::die() {
  for (auto& [path, node] : files_) {
    collect(*node);
    node->shared = nullptr;
    node->shared_end = 0;
  }
  dead_ = true;
}

void Machine::revive() {
  dead_ = false;
  fail_sync_ = fail_allocate_ = 0;
}

void Machine::apply(const Change& change, Image* image) {
  if (change.type != Change::Type::kPunch) {
    image->resize(change.offset);
    return;
  }
  const uint64_t end = std::min<uint64_t>(change.offset + change.length, image->size());
  if (change.offset < end) std::memset(image->data() + change.offset, 0, end - change.offset);
}

// True where a change that has not reached the disk, from index `first` on, decides about this page: what is stored there
// cannot be on the disk before it.
bool Machine::is_awaited(const Node& node, uint64_t page, size_t first) {
  const uint64_t at = page * kDiskPage;
  return std::any_of(node.pending.begin() + static_cast<std::ptrdiff_t>(first), node.pending.end(),
                     [at](const Change& c) {
                       switch (c.type) {
                         case Change::Type::kGrow: return at + kDiskPage > c.length && at < c.offset;
                         case Change::Type::kTruncate: return at + kDiskPage > c.offset;
                         case Change::Type::kPunch: return at + kDiskPage > c.offset && at < c.offset + c.length;
                       }
                       return false;
                     });
}

void Machine::survive(const Node& node, size_t changes, const Survival& survival, Image* image) {
  const uint64_t shared = std::min(image->size(), node.live.size());
  for (uint64_t page = 0; page < pages_of(shared); page++) {
    const uint64_t at = page * kDiskPage;
    const uint64_t length = std::min(kDiskPage, shared - at);
    if (std::memcmp(image->data() + at, node.live.data() + at, length) == 0 || is_awaited(node, page, changes))
      continue;
    const uint8_t sectors = survival(page);
    for (uint64_t s = 0; s * kSector < length; s++) {
      if ((sectors >> s & 1) == 0) continue;
      std::memcpy(image->data() + at + s * kSector, node.live.data() + at + s * kSector,
                  std::min(kSector, length - s * kSector));
    }
  }
}

void Machine::cut_power(uint8_t changes, const Survival& survival) {
  for (auto& [path, node] : files_) {
    const size_t kept = (node->pending.size() * changes + 254) / 255;
    Image image = node->durable;
    for (size_t i = 0; i < kept; i++) apply(node->pending[i], &image);
    survive(*node, kept, survival, &image);
    node->durable = image;
    node->live = std::move(image);
    node->pending.clear();
    // Which holes came back with the power is not followed: a page may count as hollow that is not.
    node->hollow.resize(pages_of(node->live.size()));
  }
}

void Machine::lose_pages(Node& node) const {
  if (fate_ == nullptr) return;
  survive(
      node, 0, [&](uint64_t page) -> uint8_t { return fate_(page) == 1 ? 0xff : 0; }, &node.durable);
  for (uint64_t page = 0; page < pages_of(node.live.size()); page++) {
    const uint64_t at = page * kDiskPage;
    if (at + kDiskPage > std::min(node.live.size(), node.durable.size()) || is_awaited(node, page, 0)) continue;
    if (fate_(page) > 1) node.lost[page].assign(node.live.data() + at, node.live.data() + at + kDiskPage);
  }
}

void Machine::evict_lost() {
  for (auto& [path, node] : files_) {
    for (const auto& [page, held] : node->lost) {
      const uint64_t at = page * kDiskPage;
      if (at + kDiskPage > std::min(node->live.size(), node->durable.size())) continue;
      if (std::memcmp(node->live.data() + at, held.data(), kDiskPage) == 0)
        std::memcpy(node->live.data() + at, node->durable.data() + at, kDiskPage);
    }
    node->lost.clear();
  }
}

void Machine::write_back(const Survival& survival) {
  for (auto& [path, node] : files_) {
    collect(*node);
    survive(*node, 0, survival, &node->durable);
  }
}

// ---- Platform ----------------------------------------------------------------------------------------------------------

Status Machine::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  auto found = files_.find(path);
  if (found == files_.end()) {
    if (mode == OpenMode::kReadOnly) return Status(Code::kIo, path + ": no such file", ENOENT);
    put(path, {});
    found = files_.find(path);
  }
  *file = std::make_unique<MachineFile>(*this, found->second);
  return Status();
}

Status Machine::sync_directory_of(const std::string&) { return Status(); }

Status Machine::rename(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) return Status(Code::kIo, from + ": no such file", ENOENT);
  files_[to] = found->second;
  files_.erase(from);
  return Status();
}

Status Machine::remove(const std::string& path) {
  files_.erase(path);
  return Status();
}

Status Machine::reserve(uint64_t length, std::byte** base) {
  for (const auto& arena : arenas_) {
    if (arena->used || arena->length != length) continue;
    arena->used = true;
    *base = arena->base;
    return Status();
  }
  void* const address = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return Status(Code::kNoMemory, "reserve", errno);
  arenas_.push_back(std::make_unique<Arena>(Arena{static_cast<std::byte*>(address), length, 0, true}));
  *base = arenas_.back()->base;
  return Status();
}

Machine::Arena& Machine::arena_of(const std::byte* address) {
  for (const auto& arena : arenas_) {
    if (address >= arena->base && address < arena->base + arena->length) return *arena;
  }
  fail("memory that was never reserved is asked for");
}

void Machine::make_accessible(std::byte* address, uint64_t length) {
  Arena& arena = arena_of(address);
  const uint64_t end = static_cast<uint64_t>(address - arena.base) + length;
  if (end > arena.length) fail("memory beyond what was reserved is asked for");
  if (end > arena.accessible) {
    const uint64_t target = std::min((end + kStep - 1) / kStep * kStep, arena.length);
    if (mprotect(arena.base + arena.accessible, target - arena.accessible, PROT_READ | PROT_WRITE) != 0) std::abort();
    poison(arena.base + arena.accessible, target - arena.accessible);
    arena.accessible = target;
  }
  unpoison(address, length);
}

Status Machine::commit(std::byte* address, uint64_t length, bool) {
  committed_ += length;
  if (committed_ > kMaxCommitted) fail("gigabytes of tables are asked for");
  make_accessible(address, length);
  std::memset(address, 0, length);
  return Status();
}

void Machine::discard(std::byte* address, uint64_t length) { std::memset(address, 0, length); }

void Machine::release(std::byte* base, uint64_t) {
  for (auto& [path, node] : files_) {
    if (node->shared != base) continue;
    collect(*node);
    node->shared = nullptr;
    node->shared_end = 0;
  }
  Arena& arena = arena_of(base);
  arena.used = false;
  poison(arena.base, arena.accessible);
  if (std::none_of(arenas_.begin(), arenas_.end(), [](const auto& a) { return a->used; })) committed_ = 0;
}

Status Machine::start_thread(std::function<void()>, std::unique_ptr<Thread>*) {
  return Status(Code::kNoMemory, "everything runs on one thread here");
}

Uuid Machine::boot_id() {
  Uuid id{};
  id[0] = 0xb0;
  id[1] = boot_;
  return id;
}

void Machine::random(void* target, size_t length) {
  auto* at = static_cast<uint8_t*>(target);
  for (size_t i = 0; i < length; i++) at[i] = static_cast<uint8_t>(dice_.next() >> 40);
}

}  // namespace mmcb::fuzz
