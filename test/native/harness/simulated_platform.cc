#include "harness/simulated_platform.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "harness/mutation.h"

namespace mmcb::harness {

class SimulatedFile final : public File {
 public:
  explicit SimulatedFile(SimulatedDisk& disk) : disk_(disk) { disk_.open_files_++; }
  ~SimulatedFile() override { disk_.open_files_--; }

  FileIdentity identity() const override { return {1, disk_.inode_}; }

  Status lock(LockMode mode) override {
    if (disk_.open_files_ == 1 || mode == LockMode::kShared) return Status();
    return Status(Code::kLocked, "simulated file: in use", EWOULDBLOCK);
  }

  Status size(uint64_t* bytes) override {
    *bytes = disk_.size_;
    return Status();
  }
  Status allocate(uint64_t offset, uint64_t length) override {
    mutation.forget_store();
    return disk_.allocate(offset, length);
  }
  Status truncate(uint64_t length) override {
    mutation.forget_store();
    if (length < mapped_end_) return violated("truncate() under a mapping");
    return disk_.truncate(length);
  }
  Status punch_hole(uint64_t offset, uint64_t length) override {
    mutation.forget_store();
    return disk_.punch_hole(offset, length);
  }
  uint64_t hole_unit() const override { return disk_.hole_unit_; }
  Status sync() override {
    mutation.forget_store();
    return mutation.is_sync_removed() ? Status() : disk_.sync();
  }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    if (offset % kDiskPage != 0) return violated("map() of an unaligned range");
    if (offset + length > (disk_.size_ + kDiskPage - 1) / kDiskPage * kDiskPage)
      return violated("map() beyond the end");
    MemoryBlock& block = *disk_.pool_.find(base);
    mapped_end_ = std::max(mapped_end_, offset + length);
    if (mode == MapMode::kShared) {
      if (disk_.block_ != &block) disk_.move_live_to(block);
      return Status();
    }
    if (disk_.block_ == &block) disk_.move_live_to(*disk_.spare_);  // this mapping takes the shared one's place
    disk_.copy_live_to(block);
    return Status();
  }

  // The memory itself goes with the truncation: until then it is still the file's.
  Status unmap(std::byte*, uint64_t offset, uint64_t length) override {
    if (offset + length >= mapped_end_) mapped_end_ = std::min(mapped_end_, offset);
    return Status();
  }

  void populate(std::byte*, uint64_t, uint64_t, Populate) override {}

 private:
  Status violated(const char* what) {
    if (disk_.dead_) return Status();
    disk_.violation_ = what;
    return Status(Code::kIo, what, EINVAL);
  }

  SimulatedDisk& disk_;
  uint64_t mapped_end_ = 0;
};

Status SimulatedPlatform::open(const std::string&, OpenMode, std::unique_ptr<File>* file) {
  mutation.forget_store();
  *file = std::make_unique<SimulatedFile>(disk_);
  return Status();
}

Status SimulatedPlatform::sync_directory_of(const std::string&) {
  if (!disk_.dead_ && !mutation.is_sync_removed(true)) disk_.sync_name();
  return Status();
}

Status SimulatedPlatform::rename(const std::string&, const std::string&) {
  return Status(Code::kIo, "one file only", EPERM);
}

Status SimulatedPlatform::remove(const std::string&) { return Status(Code::kIo, "one file only", EPERM); }

// ---- Memory --------------------------------------------------------------------------------------------------------------

Status SimulatedPlatform::reserve(uint64_t length, std::byte** base) {
  MemoryBlock* const block = disk_.pool_.take(length, disk_.block_);
  if (block == nullptr) return Status(Code::kNoMemory, "simulated platform: no address space", ENOMEM);
  *base = block->base;
  return Status();
}

Status SimulatedPlatform::commit(std::byte* address, uint64_t length, bool) {
  MemoryBlock& block = *disk_.pool_.find(address);
  const auto start = static_cast<uint64_t>(address - block.base);
  // What was never accessible is zeros anyway.
  if (start < block.accessible) std::memset(address, 0, std::min(length, block.accessible - start));
  if (start + length > block.accessible) MemoryPool::set_accessible(block, start + length);
  return Status();
}

void SimulatedPlatform::discard(std::byte* address, uint64_t length) { std::memset(address, 0, length); }

// The page cache may be in there: it stays, and so does the block (see MemoryPool::take).
void SimulatedPlatform::release(std::byte* base, uint64_t) { disk_.pool_.find(base)->taken = false; }

Status SimulatedPlatform::start_thread(std::function<void()>, std::unique_ptr<Thread>*) {
  return Status(Code::kNoMemory, "everything runs on one thread here");
}

// ---- Clocks and chance -----------------------------------------------------------------------------------------------------

Uuid SimulatedPlatform::boot_id() {
  Uuid id{};
  id[0] = 0xb0;
  std::memcpy(id.data() + 8, &disk_.boot_, sizeof disk_.boot_);
  return id;
}

void SimulatedPlatform::random(void* target, size_t length) { disk_.random_.fill(target, length); }

uint64_t SimulatedPlatform::wall_clock_ms() { return 1'700'000'000'000 + disk_.clock_++; }

uint64_t SimulatedPlatform::monotonic_ns() { return disk_.clock_++ * 1000; }

}  // namespace mmcb::harness
