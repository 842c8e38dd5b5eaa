// Mutation: changes the engine's protocol from outside, one place at a time, so that the harness can be asked whether it
// notices. Two kinds: a sync that does nothing, and two adjacent stores in the other order. Which places there are is
// found out by running the engine (see mutation_run.cc), not by listing them.
//
// A swap does not disturb the engine, which always sees its own stores. Between the two stores, and only there, the world
// is stopped with the first one taken back: what a machine or compiler would show that had let the second one pass.
//
// Also here: the hooks of step.h and stores.h, and who they tell. Single-threaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/step.h"
#include "core/stores.h"

namespace mmcb::harness {

class SimulatedDisk;

// The disk is told of stores into its page cache.
void watch_stores_to(SimulatedDisk* disk);
void stop_watching(SimulatedDisk* disk);

// Installs step_hook and store_hook for the time of a scope. One at a time, and no other thread runs an engine meanwhile.
class HookScope {
 public:
  HookScope();
  ~HookScope();
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;
};

// What the engine is doing, as far as syncs differ by it.
enum class Activity : uint8_t { kRunning, kOpening, kCreating, kClosing, kBackup, kCount };

// A line that stores.
using StorePlace = std::pair<std::string, int>;  // "file function", line
struct StorePair {
  StorePlace first;
  StorePlace second;
  bool operator<(const StorePair& other) const {
    return std::pair(first, second) < std::pair(other.first, other.second);
  }
};

class Mutation {
 public:
  // ---- What to change; nothing by default ----
  void remove_sync(const std::string& name) { removed_sync_ = name; }
  void swap_stores(const StorePair& pair) { swapped_ = pair, swaps_ = true; }
  bool removes_sync() const { return !removed_sync_.empty(); }
  uint64_t swaps_made() const { return swaps_made_; }

  // ---- What was seen ----
  void enumerate(bool on) { enumerating_ = on; }
  const std::map<std::string, uint64_t>& syncs_seen() const { return syncs_seen_; }
  const std::map<StorePair, uint64_t>& pairs_seen() const { return pairs_seen_; }

  // ---- Told by the simulated platform and the workload ----
  // A sync is asked for: true when it is the one that is removed.
  bool is_sync_removed(bool of_directory = false);
  // What is stored next does not belong together with what was stored last: a lock or a system call lies between.
  void forget_store() { last_.length = 0; }
  Activity activity = Activity::kRunning;

  // ---- The hooks ----
  void on_step(Step step);
  void on_store(const StoreSite& site, std::byte* at, size_t length, bool done);

 private:
  // A store into a file, and what stood there before it.
  struct Store {
    StoreSite site{};
    std::byte* at = nullptr;
    size_t length = 0;  // 0: none
    std::vector<std::byte> before;
  };
  void tell(Step step);
  void on_pair(const Store& first, const Store& second);

  std::string removed_sync_;
  StorePair swapped_;
  bool swaps_ = false;
  uint64_t swaps_made_ = 0;
  bool enumerating_ = false;
  std::map<std::string, uint64_t> syncs_seen_;
  std::map<StorePair, uint64_t> pairs_seen_;
  Step last_step_ = Step::kCount;
  Store last_;
  Store next_;  // under way
};

inline Mutation mutation;

// What the engine does in a scope.
class ActivityScope {
 public:
  explicit ActivityScope(Activity activity) : outer_(std::exchange(mutation.activity, activity)) {}
  ~ActivityScope() { mutation.activity = outer_; }
  ActivityScope(const ActivityScope&) = delete;
  ActivityScope& operator=(const ActivityScope&) = delete;

 private:
  const Activity outer_;
};

// The step between two swapped stores: none of the engine's.
inline constexpr Step kStoresSwapped = Step::kCount;

}  // namespace mmcb::harness
