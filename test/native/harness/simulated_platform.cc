#include "harness/simulated_platform.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/platform/posix_platform.h"

namespace mmcb::harness {

class SimulatedFile final : public File {
 public:
  explicit SimulatedFile(SimulatedDisk& disk) : disk_(disk) { disk_.open_files_++; }
  ~SimulatedFile() override { disk_.open_files_--; }

  FileIdentity identity() const override { return {1, 7}; }

  Status lock(LockMode mode) override {
    if (disk_.open_files_ == 1 || mode == LockMode::kShared) return Status();
    return Status(Code::kLocked, "simulated file: in use", EWOULDBLOCK);
  }

  Status size(uint64_t* bytes) override {
    *bytes = disk_.size_;
    return Status();
  }
  Status allocate(uint64_t offset, uint64_t length) override { return disk_.allocate(offset, length); }
  Status truncate(uint64_t length) override {
    if (length < mapped_end_) return violated("truncate() under a mapping");
    return disk_.truncate(length);
  }
  Status punch_hole(uint64_t offset, uint64_t length) override { return disk_.punch_hole(offset, length); }
  Status sync() override { return disk_.sync(); }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    if (offset % kDiskPage != 0) return violated("map() of an unaligned range");
    if (offset + length > (disk_.size_ + kDiskPage - 1) / kDiskPage * kDiskPage)
      return violated("map() beyond the end");
    const int sharing = mode == MapMode::kShared ? MAP_SHARED | MAP_POPULATE : MAP_PRIVATE;
    void* const mapping = ::mmap(base + offset, length, PROT_READ | PROT_WRITE, MAP_FIXED | sharing, disk_.fd_,
                                 static_cast<off_t>(offset));
    if (mapping == MAP_FAILED) return Status(Code::kNoMemory, "simulated file: map", errno);
    mapped_end_ = std::max(mapped_end_, offset + length);
    return Status();
  }

  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    if (offset + length >= mapped_end_) mapped_end_ = std::min(mapped_end_, offset);
    return posix_platform().decommit(base + offset, length);
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
  *file = std::make_unique<SimulatedFile>(disk_);
  return Status();
}

Status SimulatedPlatform::sync_directory_of(const std::string&) { return Status(); }

Status SimulatedPlatform::rename(const std::string&, const std::string&) {
  return Status(Code::kIo, "one file only", EPERM);
}

Status SimulatedPlatform::remove(const std::string&) { return Status(Code::kIo, "one file only", EPERM); }

Status SimulatedPlatform::reserve(uint64_t length, std::byte** base) { return posix_platform().reserve(length, base); }

Status SimulatedPlatform::commit(std::byte* address, uint64_t length, bool) {
  return posix_platform().commit(address, length, false);
}

void SimulatedPlatform::discard(std::byte* address, uint64_t length) { posix_platform().discard(address, length); }

void SimulatedPlatform::release(std::byte* base, uint64_t length) { posix_platform().release(base, length); }

Status SimulatedPlatform::start_thread(std::function<void()>, std::unique_ptr<Thread>*) {
  return Status(Code::kNoMemory, "everything runs on one thread here");
}

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
