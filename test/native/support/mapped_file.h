// A file of PosixPlatform with its mapping, for tests that cut it short.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/platform/posix_platform.h"

namespace mmcb::test {

inline constexpr uint64_t kReserved = 64 << 20;
inline const uint64_t kSystemPage = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));

// A file with its mapping. The file goes before the address space, as in Volume.
struct MappedFile {
  MappedFile(const std::string& its_path, uint64_t length, MapMode mode = MapMode::kShared) : path(its_path) {
    const bool shared = mode == MapMode::kShared;
    ok = posix_platform().open(path, shared ? OpenMode::kReadWrite : OpenMode::kReadOnly, &file).ok() &&
         posix_platform().reserve(kReserved, &base).ok() && (!shared || file->allocate(0, length).ok()) &&
         file->map(base, 0, length, mode).ok();
  }
  ~MappedFile() {
    file.reset();
    posix_platform().release(base, kReserved);
  }
  bool cut(uint64_t length) { return ::truncate(path.c_str(), static_cast<off_t>(length)) == 0; }
  volatile char& at(uint64_t offset) { return *reinterpret_cast<volatile char*>(base + offset); }

  std::string path;
  std::unique_ptr<File> file;
  std::byte* base = nullptr;
  bool ok = false;
};

}  // namespace mmcb::test
