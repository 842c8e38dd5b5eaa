// What the posix_*.cc files share: errors from errno, calls repeated after a signal, descriptors that close themselves.
//
// Thread safety: functions are pure; a Descriptor is a value.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "core/status.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace mmcb::posix {

inline constexpr uint64_t kMaxFileOffset = INT64_MAX;

inline Code code_of(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG ? Code::kNoSpace : Code::kIo;
}

inline Status system_status(const std::string& path, const char* what, int error) {
  return describe(code_of(error), error, path, ": ", what, ": ", SystemError{error});
}

inline Status memory_status(const char* what, int error) {
  return describe(Code::kNoMemory, error, what, ": ", SystemError{error});
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto uninterrupted(Call&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    // Never repeated on EINTR: Linux has closed it by then, and another thread may own the number.
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(other.take()) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

inline uint64_t whole_pages(uint64_t length, uint64_t page) { return (length + page - 1) / page * page; }

// mmap of reserved, inaccessible space; `flags` adds MAP_FIXED.
inline void* map_reserved(void* address, uint64_t length, int flags) {
  return ::mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

}  // namespace mmcb::posix
