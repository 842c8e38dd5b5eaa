// PosixPlatform: the real operating system (Linux; macOS where it offers the same).
//
// Thread safety: as Platform says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/platform/platform.h"

namespace mmcb {

class PosixPlatform final : public Platform {
 public:
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status sync_directory_of(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;

  Status reserve(uint64_t length, std::byte** base) override;
  Status commit(std::byte* address, uint64_t length, bool huge) override;
  void discard(std::byte* address, uint64_t length) override;
  void release(std::byte* base, uint64_t length) override;

  Status start_thread(std::function<void()> body, std::unique_ptr<Thread>* thread) override;

  Uuid boot_id() override;
  void random(void* target, size_t length) override;
  uint64_t wall_clock_ms() override;
  uint64_t monotonic_ns() override;
  size_t page_size() override;
  bool process_barrier() override;

  // Beyond Platform, shared with MemoryPlatform.

  // Replaces whatever is mapped in the page-aligned range by inaccessible reserved space; the contents are gone.
  Status decommit(std::byte* address, uint64_t length);
  // Brings the pages of a mapped, page-aligned range in, for reading or for writing; a hint.
  void prefault(std::byte* address, uint64_t length, bool write);
};

// The process-wide instance.
PosixPlatform& posix_platform();

}  // namespace mmcb
