// Work in processes of its own, so that what dies takes nothing else with it.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <functional>
#include <new>

namespace mmcb::harness {

// Memory that this process shares with its children; it is not given back.
template <typename T>
T* shared_memory(size_t count) {
  void* const at = mmap(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) std::abort();
  auto* const first = static_cast<T*>(at);
  for (size_t i = 0; i < count; i++) new (first + i) T();
  return first;
}

// Runs body(i) for each i below `count`, each in a process of its own, `jobs` of them at a time. `ended` is told how each has
// ended, and may say that no more of them are begun. Returns how many were begun.
size_t run_forked(size_t count, unsigned jobs, const std::function<void(size_t)>& body,
                  const std::function<bool(size_t i, int status)>& ended);

}  // namespace mmcb::harness
