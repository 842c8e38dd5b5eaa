// MemoryFaults: makes the i-th allocation of a thread (or of all threads) fail. Only in programs that replace operator new
// (fault_allocator_test.cc); elsewhere nothing ever counts or fails.
//
// Allocations count only while the injection is on (MemoryFaults::Scope), so that tests can allocate between the calls
// that they test.
//
// Thread safety: arm() and disarm() from one thread, while no other allocates under the injection.
#pragma once

#include <atomic>
#include <cstdint>

namespace mmcb::test {

class MemoryFaults {
 public:
  // The `nth` allocation from now on fails (1 is the next), and, `for_ever`, all that follow. 0: none does.
  static void arm(uint64_t nth, bool for_ever) {
    counted_.store(0);
    hits_.store(0);
    for_ever_.store(for_ever);
    nth_.store(nth);
  }
  static void disarm() { nth_.store(0); }

  static uint64_t allocations() { return counted_.load(); }
  static uint64_t hits() { return hits_.load(); }

  // On for the calling thread, while the scope lasts.
  class Scope {
   public:
    Scope() { depth_++; }
    ~Scope() { depth_--; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };
  // Off for the calling thread, while the scope lasts: what the test's own code does inside of the engine's calls.
  class Exempt {
   public:
    Exempt() : depth_before_(depth_) { depth_ = kNever; }
    ~Exempt() { depth_ = depth_before_; }
    Exempt(const Exempt&) = delete;
    Exempt& operator=(const Exempt&) = delete;

   private:
    const int depth_before_;
  };
  // On for all threads that are not exempt.
  static void set_everywhere(bool on) { everywhere_.store(on); }

  // For operator new: true when this allocation is to fail.
  static bool fails_now() {
    if (depth_ < 0 || (depth_ == 0 && !everywhere_.load(std::memory_order_relaxed))) return false;
    const uint64_t number = counted_.fetch_add(1, std::memory_order_relaxed) + 1;
    const uint64_t nth = nth_.load(std::memory_order_relaxed);
    if (nth == 0 || number < nth || (number > nth && !for_ever_.load(std::memory_order_relaxed))) return false;
    hits_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

 private:
  static constexpr int kNever = -1000;
  static inline constinit thread_local int depth_ = 0;
  static inline constinit std::atomic<bool> everywhere_{false};
  static inline constinit std::atomic<uint64_t> nth_{0};
  static inline constinit std::atomic<bool> for_ever_{false};
  static inline constinit std::atomic<uint64_t> counted_{0};
  static inline constinit std::atomic<uint64_t> hits_{0};
};

}  // namespace mmcb::test
