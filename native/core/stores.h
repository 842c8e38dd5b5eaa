// Every store into the mapping goes through these few functions, so that they can be audited, and so that the test build
// can stop the world between them (step.h), see which bytes each of them touches, and change their order.
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

#if MMCB_STEPS

// The line of the engine that stores.
struct StoreSite {
  const char* file;
  const char* function;
  int line;

  static constexpr StoreSite here(const char* file = __builtin_FILE(), const char* function = __builtin_FUNCTION(),
                                  int line = __builtin_LINE()) {
    return {file, function, line};
  }
};

// Called before each store (`done` is false) and after it. May throw, like the step hook.
extern void (*store_hook)(const StoreSite& site, std::byte* at, size_t length, bool done);

#define MMCB_STORE_SITE , const StoreSite& site = StoreSite::here()
#define MMCB_STORE_HOOK(at, length, done) \
  if (store_hook != nullptr) store_hook(site, at, length, done)

#else

#define MMCB_STORE_SITE
#define MMCB_STORE_HOOK(at, length, done) static_cast<void>(0)

#endif

// Release stores of aligned words: seen whole or not at all, after everything stored before.
inline void store64(std::byte* at, uint64_t value MMCB_STORE_SITE) {
  MMCB_STORE_HOOK(at, sizeof value, false);
  __atomic_store_n(reinterpret_cast<uint64_t*>(at), value, __ATOMIC_RELEASE);
  MMCB_STORE_HOOK(at, sizeof value, true);
}
inline void store32(std::byte* at, uint32_t value MMCB_STORE_SITE) {
  MMCB_STORE_HOOK(at, sizeof value, false);
  __atomic_store_n(reinterpret_cast<uint32_t*>(at), value, __ATOMIC_RELEASE);
  MMCB_STORE_HOOK(at, sizeof value, true);
}

// Stores what stands there, in one step: the page is written again, whatever the kernel believes about it.
inline void touch64(std::byte* at MMCB_STORE_SITE) {
  MMCB_STORE_HOOK(at, sizeof(uint64_t), false);
  __atomic_fetch_or(reinterpret_cast<uint64_t*>(at), 0, __ATOMIC_RELAXED);
  MMCB_STORE_HOOK(at, sizeof(uint64_t), true);
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
inline void copy_in(std::byte* to, const void* from, size_t length MMCB_STORE_SITE) {
  if (length == 0) return;
  MMCB_STORE_HOOK(to, length, false);
  racing_copy(to, static_cast<const std::byte*>(from), length);
  MMCB_STORE_HOOK(to, length, true);
}

// Copies bytes out of the mapping that another thread may be overwriting; the caller validates what it got.
inline void copy_out(void* to, const std::byte* from, size_t length) {
  if (length != 0) racing_copy(static_cast<std::byte*>(to), from, length);
}

}  // namespace mmcb
