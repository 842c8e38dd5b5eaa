// MemoryPlatform: the Platform behind ":memory:". Its files are anonymous memory and end with their mapping.
//
// Thread safety: as Platform says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/platform/platform.h"
#include "core/platform/posix_platform.h"

namespace mmcb {

class MemoryPlatform final : public Platform {
 public:
  explicit MemoryPlatform(PosixPlatform& system) : system_(system) {}

  // A new, empty file whatever the path: two stores in memory never share one. The contents live in the mapping, so
  // unmap() loses them, unlike a real file's.
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
  bool process_barrier() override { return system_.process_barrier(); }

 private:
  PosixPlatform& system_;
};

// The process-wide instance.
MemoryPlatform& memory_platform();

}  // namespace mmcb
