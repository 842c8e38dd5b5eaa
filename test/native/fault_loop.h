// FaultLoop: a workload, again and again, with the i-th call failing, for i = 1, 2, ... until nothing fails any more; once
// and from then on; then everything is checked (FaultedStore::settle), and that nothing was left open.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/platform/memory_platform.h"
#include "core/platform/posix_platform.h"
#include "support/engine_fixture.h"
#include "support/failing_memory.h"
#include "support/failing_platform.h"
#include "support/fault_workloads.h"
#include "support/faulted_store.h"
#include "support/sanitizer.h"

namespace mmcb::test {

// Only every n-th run is made.
inline constexpr uint64_t kFaultStride = kSanitized ? 13 : kCounted ? 3 : 1;

struct FaultCounts {
  uint64_t runs = 0;
  uint64_t hit = 0;  // runs in which a fault struck
  uint64_t faults = 0;
  uint64_t by_call[kSystemCalls] = {};  // runs in which this call failed

  std::string text() const {
    return "fault injection: " + std::to_string(runs) + " runs, " + std::to_string(hit) + " of them hit, by " +
           std::to_string(faults) + " faults" +
           (kFaultStride == 1 ? "" : "; every " + std::to_string(kFaultStride) + "th run only");
  }
};

// Whether a call may have done its work when it fails.
inline bool may_be_late(SystemCall call) {
  return call == SystemCall::kSync || call == SystemCall::kPunchHole || call == SystemCall::kTruncate ||
         call == SystemCall::kRename;
}

inline int64_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

inline int64_t mappings_of(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  int64_t found = 0;
  for (std::string line; std::getline(maps, line);) found += line.find(path) != std::string::npos;
  return found;
}

// Thousands of files are made here, and what the disk below does is not asked: in memory where that can be.
inline std::filesystem::path quick_folder() {
  const char* const in_memory = "/dev/shm";
  return ::access(in_memory, W_OK) == 0 ? std::filesystem::path(in_memory) : std::filesystem::current_path();
}

class FaultLoop {
 public:
  FaultLoop(const FaultWorkload& workload, FaultCounts& counts)
      : workload_(workload),
        counts_(counts),
        path_(folder_.path("a.mmcb")),
        platform_(workload.in_memory ? static_cast<Platform&>(memory_platform()) : posix_platform()),
        prepared_(platform_, path_, workload.options) {
    platform_.set_seed(1);
    platform_.set_skipping_syncs(true);
    if (workload.prepare) {
      workload.prepare(prepared_);
      image_ = read_file(path_);
    }
  }

  // Runs the workload once, with what `arm` armed; false when nothing struck, or when enough was found.
  template <typename Arm>
  bool run(const std::string& told, Arm&& arm) {
    counts_.runs++;
    number_++;
    clean_up();
    const int64_t descriptors = open_descriptors();
    uint64_t hits = 0;
    try {
      FaultedStore store(platform_, path_, workload_.options);
      prepared_.remember_as(&store);
      platform_.set_seed(1000 + number_);
      MemoryFaults::arm(0, false);
      arm();
      workload_.body(store);
      hits = store.hits();
      disarm();
      store.settle(workload_.in_memory ? FaultedStore::Way::kNone : static_cast<FaultedStore::Way>(number_ % 3));
    } catch (const Broken& broken) {
      hits = faults_.hits() + MemoryFaults::hits();
      disarm();
      report(told, broken.what());
    }
    if (open_descriptors() != descriptors) report(told, "a descriptor is left open");
    if (mappings_of(path_) != 0) report(told, "the file is still mapped");
    if (faults_.open_files() != 0 || faults_.reservations() != 0) report(told, "files or memory were not given back");
    if (hits != 0) counts_.hit++;
    counts_.faults += hits;
    return hits != 0 && broken_ < kEnough;
  }

  // All calls of one kind. The errors after the first differ in a code only: a few calls of each. `without_memory`: once a
  // call has failed there is no memory any more; then once is as good as for ever, and one error as good as another.
  void fail_each(SystemCall call, bool without_memory = false) {
    for (const int error : errors_of(call)) {
      const bool first = error == errors_of(call).front();
      for (const bool late : {false, true}) {
        if (late && (!first || !may_be_late(call))) continue;
        for (const bool for_ever : {false, true}) {
          if (without_memory && (for_ever || !first)) continue;
          for (uint64_t nth = 1; first || nth <= kCallsForOtherErrors; nth += kFaultStride) {
            const Fault fault{call, nth, for_ever, late, error};
            const bool struck = run(told(fault), [&] {
              faults_.arm(fault);
              if (without_memory) faults_.set_on_hit([] { MemoryFaults::arm(1, true); });
            });
            if (!struck && nth == 1) return;  // no such call in this workload
            if (!struck) break;
            counts_.by_call[static_cast<size_t>(call)]++;
          }
        }
      }
    }
  }

  // All allocations; of those after the 100th only some.
  void fail_each_allocation() {
    for (const bool for_ever : {false, true}) {
      for (uint64_t nth = 1;; nth += kFaultStride + nth / 100 * (1 + nth / 200)) {
        const std::string which = "allocation " + std::to_string(nth) + (for_ever ? " and all that follow" : "");
        if (!run(which, [&] { MemoryFaults::arm(nth, for_ever); })) break;
      }
    }
  }

 private:
  static constexpr uint64_t kEnough = 3;
  static constexpr uint64_t kCallsForOtherErrors = 4;

  void disarm() {
    faults_.set_on_hit(nullptr);
    faults_.disarm();
    MemoryFaults::disarm();
  }

  void report(const std::string& told, const std::string& what) {
    broken_++;
    FAIL_CHECK(std::string(workload_.name) << ", run " << number_ << ", " << told << ": " << what);
  }

  static std::string told(const Fault& fault) {
    return std::string(name_of(fault.call)) + " " + std::to_string(fault.nth) +
           (fault.for_ever ? " and all that follow" : "") + (fault.late ? ", done all the same" : "") + ", errno " +
           std::to_string(fault.error);
  }

  // The file as it was prepared, in the same inode, and nothing else.
  void clean_up() {
    if (workload_.in_memory) return;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path_).parent_path())) {
      if (entry.path() != path_ || !workload_.prepare) std::filesystem::remove(entry.path());
    }
    if (workload_.prepare) write_file(path_, image_);
  }

  const FaultWorkload& workload_;
  FaultCounts& counts_;
  TemporaryFolder folder_{quick_folder()};
  const std::string path_;
  FailingPlatform platform_;
  Faults& faults_ = platform_.faults();
  FaultedStore prepared_;
  std::string image_;
  uint64_t number_ = 0;
  uint64_t broken_ = 0;
};

}  // namespace mmcb::test
