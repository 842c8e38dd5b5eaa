// SyncMachine: a sync point, phase by phase. A thread only drives it; tests drive it by seed, with writes between phases.
//
//   kIdle -> begin() -> kDataSync -> kSuperblockStore -> kSuperblockSync -> kComplete -> kIdle
//
// begin() closes the current epoch e (later calls belong to e + 1) and notes digest and count as of e. The data of e is
// synced, the superblock that says "durable: e" is stored in the other of the two places, that is synced, and only then
// e is durable.
//
// For those who wait, one sync has to do (Order::kAtOnce): kDataSync is left out, and one sync is for the data and for a
// superblock that is marked as unconfirmed. Power may fail with the superblock on the disk and some of the data not; its
// digest then says so, and recovery goes back to the superblock before, of which nothing is given up until this one is
// durable. What it costs: damage to what the last sync point wrote looks the same. So a sync point that nobody waits for
// comes soon after, in two steps, and what is confirmed stays so.
//
// A failure in any phase is final: the store is poisoned in memory and in the mapping (a second fdatasync
// after a failed one may say yes and have lost the pages), and every later write is refused until it is reopened.
//
// Thread safety: one thread at a time drives the machine; the engine's other calls go on meanwhile.
#pragma once

#include <cstdint>

#include "core/engine.h"
#include "core/status.h"

namespace mmcb {

class SyncMachine {
 public:
  enum class Order : uint8_t { kDataFirst, kAtOnce };
  enum class Phase : uint8_t { kIdle, kDataSync, kSuperblockStore, kSuperblockSync, kComplete };

  explicit SyncMachine(Engine& engine) : engine_(engine) {}

  Phase phase() const { return phase_; }
  // The epoch that this sync point makes durable. Precondition: not idle.
  uint64_t epoch() const { return superblock_.durable_epoch; }
  // Whether it is made at once; also of the last one, when idle.
  bool is_at_once() const { return (superblock_.flags & kFlagUnconfirmed) != 0; }

  // Starts a sync point. `closing` marks the superblock clean. `order` is a wish: kAtOnce is for files whose durable versions
  // are not overwritten, and never for closing. Precondition: idle.
  Status begin(bool closing = false, Order order = Order::kDataFirst);
  // Does the work of the current phase and moves to the next. Precondition: not idle.
  Status step();
  // begin() and all phases.
  Status run(bool closing = false, Order order = Order::kDataFirst);

#if MMCB_STEPS
  void skip_data_sync() { phase_ = Phase::kSuperblockStore; }  // a seeded bug
#else
  void skip_data_sync() {}
#endif

 private:
  Status fail(Status status);
  std::byte* place() const;

  Engine& engine_;
  Phase phase_ = Phase::kIdle;
  Superblock superblock_;
};

}  // namespace mmcb
