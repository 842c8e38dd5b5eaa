// ForwardingFile and ForwardingPlatform: others behind one more step, for tests that change a call or two. Every call is passed
// on, also those that have a default.
//
// Thread safety: as Platform.
#pragma once

#include <functional>
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
  const std::atomic<bool>& lost() const override { return file_->lost(); }
  void give_up() override { file_->give_up(); }
  Status check() override { return file_->check(); }
  bool is_deleted() override { return file_->is_deleted(); }
  Status lock(LockMode mode) override { return file_->lock(mode); }
  Status size(uint64_t* bytes) override { return file_->size(bytes); }
  Status allocate(uint64_t offset, uint64_t length) override { return file_->allocate(offset, length); }
  Status truncate(uint64_t length) override { return file_->truncate(length); }
  Status punch_hole(uint64_t offset, uint64_t length) override { return file_->punch_hole(offset, length); }
  uint64_t hole_unit() const override { return file_->hole_unit(); }
  bool is_untouchable_hole(uint64_t offset) override { return file_->is_untouchable_hole(offset); }
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
  explicit ForwardingPlatform(Platform& real = posix_platform()) : real_(real) {}

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    return real_.open(path, mode, file);
  }
  Status sync_directory_of(const std::string& path) override { return real_.sync_directory_of(path); }
  Status rename(const std::string& from, const std::string& to) override { return real_.rename(from, to); }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status reserve(uint64_t length, std::byte** base) override { return real_.reserve(length, base); }
  Status commit(std::byte* address, uint64_t length, bool huge) override { return real_.commit(address, length, huge); }
  void discard(std::byte* address, uint64_t length) override { real_.discard(address, length); }
  void release(std::byte* base, uint64_t length) override { real_.release(base, length); }
  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override {
    return real_.start_thread(std::move(body), thread);
  }
  Uuid boot_id() override { return real_.boot_id(); }
  void random(void* target, size_t length) override { real_.random(target, length); }
  uint64_t wall_clock_ms() override { return real_.wall_clock_ms(); }
  uint64_t monotonic_ns() override { return real_.monotonic_ns(); }
  size_t page_size() override { return real_.page_size(); }
  bool process_barrier() override { return real_.process_barrier(); }

 private:
  Platform& real_;
};

}  // namespace mmcb::test
