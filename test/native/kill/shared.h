// What a child that will be killed tells its parent, in memory that they share: nothing else survives of it.
//
// Ownership: the parent maps it before it forks; one for each chain of kills. Thread safety: atomics; `Lane` is written by
// one thread of the child, and by the parent when no child runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/status.h"
#include "core/step.h"
#include "harness/numbered_calls.h"

namespace mmcb::harness::killing {

// A thread that writes: the calls it has started, and those of them that have returned. Its i-th call is a function of i.
struct Lane {
  std::atomic<uint64_t> started{0};
  std::atomic<uint64_t> returned{0};
  std::atomic<uint64_t> limit{~0ull};  // after so many it kills its process, should nobody else have done it
};

inline constexpr unsigned kMaxLanes = 3;

inline Call call_of(unsigned lane, uint64_t index) { return call_at({0, lane, kMaxLanes}, index); }

struct Shared {
  Lane lanes[kMaxLanes];
  std::atomic<uint64_t> opened{0};      // children that got the file open
  std::atomic<uint32_t> compacting{0};  // a compaction is under way
  std::atomic<uint32_t> syncing{0};     // a sync point is
  // When a child that counts steps kills itself: at the step with this number, or the n-th time at this one.
  std::atomic<uint64_t> steps{0};
  std::atomic<uint64_t> kill_at{~0ull};
  std::atomic<uint32_t> chosen{static_cast<uint32_t>(Step::kCount)};
  std::atomic<uint64_t> chosen_times{0};
  std::atomic<uint32_t> last_step{static_cast<uint32_t>(Step::kCount)};
};

// Ends the process with exit code 1, saying why.
[[noreturn]] void die(const std::string& what);
void must(const Status& status, const char* what);

}  // namespace mmcb::harness::killing
