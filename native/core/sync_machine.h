// SyncMachine: a sync point, phase by phase. A thread only drives it; tests drive it by seed, with writes between phases.
//
//   kIdle -> begin() -> kDataSync -> kSuperblockStore -> kSuperblockSync -> kComplete -> kIdle
//
// begin() closes the current epoch e (later calls belong to e + 1) and notes digest and count as of e. The data of e is
// synced, the superblock that says "durable: e" is stored in the other of the two places, that is synced, and only then
// e is durable. A failure in any phase is final: the store is poisoned in memory and in the mapping (a second fdatasync
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
  enum class Phase : uint8_t { kIdle, kDataSync, kSuperblockStore, kSuperblockSync, kComplete };

  explicit SyncMachine(Engine& engine) : engine_(engine) {}

  Phase phase() const { return phase_; }
  // The epoch that this sync point makes durable. Precondition: not idle.
  uint64_t epoch() const { return superblock_.durable_epoch; }

  // Starts a sync point. `closing` marks the superblock clean. Precondition: idle.
  Status begin(bool closing = false);
  // Does the work of the current phase and moves to the next. Precondition: not idle.
  Status step();
  // begin() and all phases.
  Status run(bool closing = false);

#if MMCB_STEPS
  void skip_data_sync() { phase_ = Phase::kSuperblockStore; }  // a seeded bug
#else
  void skip_data_sync() {}
#endif

 private:
  Status fail(Status status);

  Engine& engine_;
  Phase phase_ = Phase::kIdle;
  Superblock superblock_;
};

}  // namespace mmcb
