#include "core/platform/memory_platform.h"

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace mmcb {
namespace {

class MemoryFile final : public File {
 public:
  MemoryFile(PosixPlatform& system, FileIdentity identity) : system_(system), identity_(identity) {}

  FileIdentity identity() const override { return identity_; }
  bool is_volatile() const override { return true; }

  Status lock(LockMode) override { return Status(); }  // nobody else can reach it

  Status size(uint64_t* bytes) override {
    *bytes = size_;
    return Status();
  }

  Status allocate(uint64_t offset, uint64_t length) override {
    if (offset > INT64_MAX || length > INT64_MAX - offset) {
      return Status(Code::kNoSpace, ":memory:: allocate: too large", EFBIG);
    }
    size_ = std::max(size_, offset + length);
    return Status();
  }

  Status truncate(uint64_t length) override {
    // A file that shrinks and grows again reads as zeros in between.
    if (length < size_) MMCB_TRY(punch_hole(length, size_ - length));
    size_ = length;
    return Status();
  }

  Status punch_hole(uint64_t offset, uint64_t length) override {
    // Nothing outside the mapping holds data.
    const uint64_t end = std::min(offset + length, mapped_end_);
    if (offset < end) system_.discard(base_ + offset, end - offset);
    return Status();
  }

  Status sync() override { return Status(); }

  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode) override {
    MMCB_TRY(system_.commit(base + offset, length, length >= kHugePage));
    base_ = base;
    mapped_end_ = std::max(mapped_end_, offset + length);
    return Status();
  }

  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    if (offset + length >= mapped_end_) mapped_end_ = std::min(mapped_end_, offset);
    return system_.decommit(base + offset, length);
  }

  void populate(std::byte* base, uint64_t offset, uint64_t length, Populate how) override {
    // Reading would only map the page of zeros.
    if (how != Populate::kRead) system_.prefault(base + offset, length, true);
  }

 private:
  PosixPlatform& system_;
  const FileIdentity identity_;
  uint64_t size_ = 0;
  // The mapping; the engine maps a file from 0 upwards and unmaps from the end.
  std::byte* base_ = nullptr;
  uint64_t mapped_end_ = 0;
};

}  // namespace

MemoryPlatform& memory_platform() {
  static MemoryPlatform* const instance = new MemoryPlatform(posix_platform());
  return *instance;
}

Status MemoryPlatform::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  if (mode == OpenMode::kReadOnly) return describe(Code::kIo, ENOENT, path, ": open: no such file");
  static std::atomic<uint64_t> next{1};
  // No device has this number, so that the registry of open files never takes one for a real file.
  const FileIdentity identity{UINT64_MAX, next.fetch_add(1, std::memory_order_relaxed)};
  return guarded([&] {
    *file = std::make_unique<MemoryFile>(system_, identity);
    return Status();
  });
}

Status MemoryPlatform::sync_directory_of(const std::string&) { return Status(); }

Status MemoryPlatform::rename(const std::string& from, const std::string& to) { return system_.rename(from, to); }

Status MemoryPlatform::remove(const std::string& path) { return system_.remove(path); }

Status MemoryPlatform::reserve(uint64_t length, std::byte** base) { return system_.reserve(length, base); }

Status MemoryPlatform::commit(std::byte* address, uint64_t length, bool huge) {
  return system_.commit(address, length, huge);
}

void MemoryPlatform::discard(std::byte* address, uint64_t length) { system_.discard(address, length); }

void MemoryPlatform::release(std::byte* base, uint64_t length) { system_.release(base, length); }

Status MemoryPlatform::start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) {
  return posix_platform().start_thread(std::move(body), thread);
}

Uuid MemoryPlatform::boot_id() { return system_.boot_id(); }

void MemoryPlatform::random(void* target, size_t length) { system_.random(target, length); }

uint64_t MemoryPlatform::wall_clock_ms() { return system_.wall_clock_ms(); }

uint64_t MemoryPlatform::monotonic_ns() { return system_.monotonic_ns(); }

size_t MemoryPlatform::page_size() { return system_.page_size(); }

}  // namespace mmcb
