// Every store into the mapping goes through these few functions, so that they can be audited, and so that the test build
// can stop the world between them (step.h).
//
// Concurrency: an in-place update may overwrite bytes that a lock-free reader is copying. The reader finds out by the
// entry's checksum and tries again; copy_out() and the stores here make that race well-defined for ThreadSanitizer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/step.h"

#if defined(__SANITIZE_THREAD__)
#define MMCB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MMCB_TSAN 1
#endif
#endif

namespace mmcb {

inline uint64_t load64(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(at), __ATOMIC_ACQUIRE);
}
inline uint32_t load32(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(at), __ATOMIC_ACQUIRE);
}

// Release stores of aligned words: seen whole or not at all, after everything stored before.
inline void store64(std::byte* at, uint64_t value) {
  __atomic_store_n(reinterpret_cast<uint64_t*>(at), value, __ATOMIC_RELEASE);
}
inline void store32(std::byte* at, uint32_t value) {
  __atomic_store_n(reinterpret_cast<uint32_t*>(at), value, __ATOMIC_RELEASE);
}

#if MMCB_TSAN

inline void racing_copy(std::byte* to, const std::byte* from, size_t length) {
  for (size_t i = 0; i < length; i++) {
    auto* target = reinterpret_cast<unsigned char*>(to + i);
    const auto* source = reinterpret_cast<const unsigned char*>(from + i);
    __atomic_store_n(target, __atomic_load_n(source, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  }
}

#else

// memmove: a caller may hand in bytes that it sees through a view of the very entry it updates.
inline void racing_copy(std::byte* to, const std::byte* from, size_t length) { std::memmove(to, from, length); }

#endif

// Copies bytes into the mapping; not atomic.
inline void copy_in(std::byte* to, const void* from, size_t length) {
  if (length != 0) racing_copy(to, static_cast<const std::byte*>(from), length);
}

// Copies bytes out of the mapping that another thread may be overwriting; the caller validates what it got.
inline void copy_out(void* to, const std::byte* from, size_t length) {
  if (length != 0) racing_copy(static_cast<std::byte*>(to), from, length);
}

}  // namespace mmcb
