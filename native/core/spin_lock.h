// SpinLock: the engine's write lock. Held for tens of nanoseconds (a memory-only change), so waiting is mostly spinning;
// a waiter that spins for long gives its processor up.
//
// Thread safety: lock() and unlock() as std::mutex; not recursive.
#pragma once

#include <atomic>
#include <thread>

namespace mmcb {

class SpinLock {
 public:
  void lock() {
    while (locked_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; locked_.load(std::memory_order_relaxed); spins++) {
        if (spins < 64) {
          pause();
        } else {
          std::this_thread::yield();
        }
      }
    }
  }
  void unlock() { locked_.store(false, std::memory_order_release); }

 private:
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::atomic<bool> locked_{false};
};

}  // namespace mmcb
