// Compactor: copies live entries out of segments full of garbage, frees those, and gives space back, step by step. A
// thread only drives it; tests drive it by seed, with writes, reads and sync points between steps.
//
// A victim's entries are copied to the cold stream under their addresses; the old versions and then the whole segment get
// end marks of the open epoch. The segment can be used again once that epoch is durable, so that an interruption at any
// point loses nothing: before the sync point the old versions still count, after it the new ones do.
//
// Thread safety: one thread at a time drives a compactor, and only one compactor per engine exists at a time; the
// engine's other calls go on meanwhile (the write lock is held for one small chunk of moves at a time).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "core/status.h"

namespace mmcb {

class Compactor {
 public:
  // What to compact.
  enum class Goal : uint8_t {
    kGarbage,   // segments whose garbage share is worth it: what the policies run
    kPressure,  // the worst segments, whatever their share, up to a sixteenth of the file: what held-up writers wait for
    kShortage,  // every segment with garbage: what runs when there is no space even for updates
    kAll,       // every segment with garbage, then move entries to the front of the file: what compact() runs
  };
  enum class Next : uint8_t {
    kMore,       // call step() again
    kNeedsSync,  // freed segments wait for a sync point; make one, then call step() again
    kDone,
  };

  // Segments that a round of kPressure empties at most, in a file of `segments`.
  static uint32_t pressure_round(uint32_t segments) { return std::max<uint32_t>(2, segments / 24); }

  explicit Compactor(Engine& engine) : engine_(engine) {}

  // The first victims are chosen by the first step.
  void begin(Goal goal);
  // Moves entries worth about `budget` bytes. On failure (kNoSpace, kFull, kFailed, kNoMemory) what was moved stays moved.
  Status step(uint64_t budget, Next* next);
  // Gives up: victims not yet emptied become ordinary segments again.
  void abandon();
  // Work done and in all, in bytes of victims, for progress.
  uint64_t done_bytes() const { return done_bytes_; }
  uint64_t total_bytes() const { return total_bytes_; }
  CompactionReport report() const { return report_; }

 private:
  // Throws std::bad_alloc; nothing has been chosen then.
  void choose_victims();
  Status take_step(uint64_t budget, Next* next);
  // Brings in what moving the next entries will touch, up to `end`: their misses overlap.
  void look_ahead(uint64_t end) const;
  Status move_some(uint64_t budget);

  Engine& engine_;
  Goal goal_ = Goal::kGarbage;
  bool begun_ = false;  // and nothing chosen yet
  unsigned round_ = 0;
  bool trimmed_again_ = false;
  std::vector<uint32_t> victims_;  // segment indexes, worst first; taken from the back
  uint64_t position_ = 0;          // where in the current victim to go on
  uint64_t freed_since_sync_ = 0;
  uint64_t done_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  CompactionReport report_;
};

}  // namespace mmcb
