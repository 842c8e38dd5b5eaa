// What the parts of the harness share: the world around the engine, the counters, and how a failure is told.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/step.h"
#include "harness/mutation.h"
#include "harness/oracle.h"
#include "harness/simulated_platform.h"

namespace mmcb::harness {

// Where a sync point stands while something else happens: the phases of SyncMachine, and the time inside Engine::open().
inline constexpr size_t kPhases = 6;
inline constexpr size_t kOpeningPhase = 5;

// What may be found after a crash: the calls that were made, and how far a sync point has come.
struct World {
  Oracle oracle;
  size_t phase = 0;
  bool syncing = false;
  uint64_t syncing_epoch = 0;
  bool superblock_stored = false;  // of the sync point under way: it may be on the disk already
  bool syncing_at_once = false;    // the sync point under way is of Order::kAtOnce
  bool unconfirmed = false;  // so was the last one: damage to its data is taken for a power cut in the middle of it
  bool recovering = false;   // inside Engine::open(): a new superblock may be on the disk
  // A sync point made at once that failed: it is taken back, but until recovery has done so the disk may have all of it. 0: there
  // is none. And what was known when it failed.
  uint64_t failed_epoch = 0;
  Oracle before_failure;
  bool failing = false;  // a sync is being made to fail: the next opening goes back to the sync point
  bool undone = false;   // the page cache may still show calls that were rolled back in this boot

  // True for epochs that a file may be opened at after a power cut now.
  bool may_open_at(uint64_t epoch) const {
    if (epoch == oracle.durable_epoch()) return true;
    if (syncing && superblock_stored && epoch == syncing_epoch) return true;
    return recovering && epoch >= oracle.highest_epoch();
  }
  // The same for a file that is damaged, or a mixture.
  bool may_go_back_to(uint64_t epoch) const { return unconfirmed && epoch == oracle.epoch_before_durable(); }
};

struct Counters {
  uint64_t images = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t torn_copies = 0;
  uint64_t torn_rolled_back = 0;
  uint64_t torn_refused = 0;
  uint64_t torn_prefixes = 0;
  uint64_t rot = 0;
  uint64_t rot_refused = 0;
  uint64_t rot_reported = 0;
  uint64_t exhaustive = 0;
  uint64_t second_cuts = 0;
  uint64_t reopened = 0;
  uint64_t continued = 0;
  uint64_t salvaged = 0;
  uint64_t crashes = 0;
  uint64_t nested_crashes = 0;
  uint64_t failed_syncs = 0;
  uint64_t failed_allocations = 0;
  uint64_t clean_reopenings = 0;
  uint64_t calls = 0;
  uint64_t full = 0;
  uint64_t skipped = 0;
  uint64_t restored_copies = 0;
  uint64_t restored_refused = 0;
  uint64_t verified = 0;
  uint64_t syncs_inside_calls = 0;
  uint64_t backups = 0;
  uint64_t backup_images = 0;
  uint64_t steps[static_cast<size_t>(Step::kCount)][kPhases] = {};

  uint64_t of_step(size_t step) const {
    uint64_t sum = 0;
    for (const uint64_t count : steps[step]) sum += count;
    return sum;
  }

  // All members are counts.
  void add(const Counters& other) {
    auto* to = reinterpret_cast<uint64_t*>(this);
    const auto* from = reinterpret_cast<const uint64_t*>(&other);
    for (size_t i = 0; i < sizeof *this / sizeof *to; i++) to[i] += from[i];
  }
};

// An invariant does not hold. Thrown through the engine, which is then thrown away.
struct Failure {
  std::string what;
  std::string image_kind;
  Image image;
};

// The world stops here. `image` is what is left of the file.
struct Crash {
  enum class Kind : uint8_t { kPowerCut, kKill, kFailedSync };
  Kind kind = Kind::kPowerCut;
  Image image;
};

// The world stops here: a kill leaves what the process saw, a power cut what is on the disk by now.
[[noreturn]] inline void stop_world(SimulatedDisk& disk, bool kill) {
  Crash crash;
  if (kill) {
    crash.kind = Crash::Kind::kKill;
    disk.live_image(&crash.image);
  } else {
    disk.make_image(&crash.image);
  }
  disk.die();
  throw crash;
}

// Receives the engine's steps.
class StepListener {
 public:
  virtual ~StepListener() = default;
  virtual void on_step(Step step) = 0;
};

inline StepListener* current_listener = nullptr;

// Another listener (or none) for a scope.
class ListenerScope {
 public:
  explicit ListenerScope(StepListener* listener) : outer_(std::exchange(current_listener, listener)) {}
  ~ListenerScope() { current_listener = outer_; }
  ListenerScope(const ListenerScope&) = delete;
  ListenerScope& operator=(const ListenerScope&) = delete;

 private:
  StepListener* const outer_;
};

inline const char* name_of(Step step) {
  if (step == kStoresSwapped) return "between swapped stores";
  static constexpr const char* kNames[] = {
#define MMCB_STEP_TEXT(name) #name,
      MMCB_STEP_LIST(MMCB_STEP_TEXT)
#undef MMCB_STEP_TEXT
  };
  return kNames[static_cast<size_t>(step)];
}

}  // namespace mmcb::harness
