// ReaderPins: tells writers when memory that readers may still look at can be reused (epoch-based reclamation, after
// Fraser, "Practical lock-freedom", 2004).
//
// A reader pins before it resolves anything and unpins after its last look. What a writer takes out of use (a table, a
// segment) is retired with a ticket and reclaimed once no pin is as old as the ticket.
//
// Reads are many and reclaiming is rare: where the system can run a barrier on all processors (Platform::process_barrier()),
// the reader's is left to the writer. It is most of what a pin costs.
//
// Thread safety: each ReaderPin is used by one thread at a time; retire() and is_reclaimable() are serialised by the
// caller; add_reader() and remove_reader() from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/platform/platform.h"

namespace mmcb {

class ReaderPins;

// One reader's pin. Nests: only the outermost pin() and unpin() count. Precondition: outlived by its ReaderPins.
class alignas(64) ReaderPin {
 public:
  void pin();
  void unpin();

 private:
  friend class ReaderPins;
  ReaderPin(const std::atomic<uint64_t>& clock, bool has_barrier) : clock_(clock), has_barrier_(has_barrier) {}
  std::atomic<uint64_t> since_{0};  // 0: not pinned; else a clock no later than when pin() returned
  const std::atomic<uint64_t>& clock_;
  const bool has_barrier_;  // false: the writer sees to it
  uint32_t depth_ = 0;
};

class ReaderPins {
 public:
  // `platform` for its barrier; null: readers have their own. Outlives this.
  explicit ReaderPins(Platform* platform = nullptr);

  // The pin stays valid until remove_reader(). Null where memory for it cannot be had.
  ReaderPin* add_reader();
  void remove_reader(ReaderPin* reader);

  // Call after the thing can no longer be found by new readers; returns its ticket.
  uint64_t retire();
  // True when no reader that could have found a thing retired with `ticket` is still pinned.
  bool is_reclaimable(uint64_t ticket);

 private:
  Platform* const platform_;  // null: readers have their own barrier
  uint64_t barrier_at_ = 0;   // what the clock was at our last barrier
  std::atomic<uint64_t> clock_{1};
  std::mutex mutex_;  // guards readers_
  std::vector<std::unique_ptr<ReaderPin>> readers_;
};

// Pins for a scope.
class PinScope {
 public:
  explicit PinScope(ReaderPin& pin) : pin_(pin) { pin_.pin(); }
  ~PinScope() { pin_.unpin(); }
  PinScope(const PinScope&) = delete;
  PinScope& operator=(const PinScope&) = delete;

 private:
  ReaderPin& pin_;
};

}  // namespace mmcb
