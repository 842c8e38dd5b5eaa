// ForwardingFile and ForwardingPlatform: the real ones behind one more step, for tests that change a call or two.
//
// Thread safety: as Platform.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/platform/posix_platform.h"

namespace mmcb::test {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  FileIdentity identity() const override { return file_->identity(); }
  bool is_volatile() const override { return file_->is_volatile(); }
  Status lock(LockMode mode) override { return file_->lock(mode); }
  Status size(uint64_t* bytes) override { return file_->size(bytes); }
  Status allocate(uint64_t offset, uint64_t length) override { return file_->allocate(offset, length); }
  Status truncate(uint64_t length) override { return file_->truncate(length); }
  Status punch_hole(uint64_t offset, uint64_t length) override { return file_->punch_hole(offset, length); }
  Status sync() override { return file_->sync(); }
  Status map(std::byte* base, uint64_t offset, uint64_t length, MapMode mode) override {
    return file_->map(base, offset, length, mode);
  }
  Status unmap(std::byte* base, uint64_t offset, uint64_t length) override {
    return file_->unmap(base, offset, length);
  }
  void populate(std::byte* base, uint64_t offset, uint64_t length, Populate how) override {
    file_->populate(base, offset, length, how);
  }

 private:
  const std::unique_ptr<File> file_;
};

class ForwardingPlatform : public Platform {
 public:
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    return posix_platform().open(path, mode, file);
  }
  Status sync_directory_of(const std::string& path) override { return posix_platform().sync_directory_of(path); }
  Status rename(const std::string& from, const std::string& to) override { return posix_platform().rename(from, to); }
  Status remove(const std::string& path) override { return posix_platform().remove(path); }
  Status reserve(uint64_t length, std::byte** base) override { return posix_platform().reserve(length, base); }
  Status commit(std::byte* address, uint64_t length, bool huge) override {
    return posix_platform().commit(address, length, huge);
  }
  void discard(std::byte* address, uint64_t length) override { posix_platform().discard(address, length); }
  void release(std::byte* base, uint64_t length) override { posix_platform().release(base, length); }
  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override {
    return posix_platform().start_thread(std::move(body), thread);
  }
  Uuid boot_id() override { return posix_platform().boot_id(); }
  void random(void* target, size_t length) override { posix_platform().random(target, length); }
  uint64_t wall_clock_ms() override { return posix_platform().wall_clock_ms(); }
  uint64_t monotonic_ns() override { return posix_platform().monotonic_ns(); }
  size_t page_size() override { return posix_platform().page_size(); }
};

}  // namespace mmcb::test
