#include "core/sync_machine.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/stores.h"

namespace mmcb {

namespace {

// False where the superblock that counts is gone: then other contents stand in the file. (A new file has none yet.)
bool is_in_place(const Superblock& expected, const std::byte* base) {
  if (expected.sequence == 0) return true;
  Superblock there;
  return decode_in_place(base, expected.sequence & 1, &there) == SuperblockVerdict::kValid && there == expected;
}

}  // namespace

std::byte* SyncMachine::place() const {
  return engine_.volume_.at(kSuperblockOffset[MMCB_BUG(kSuperblockSameSlot) ? 0 : superblock_.sequence & 1]);
}

Status SyncMachine::begin(bool closing, Order order) {
  Engine& e = engine_;
  MMCB_TRY(e.check_file_size());
  MMCB_TRY(e.refusal());
  std::lock_guard guard(e.lock_);
  if (!is_in_place(e.superblock_, e.volume_.at(0))) {
    // Overwritten, by another file or an older copy of this one. Going on would make a mixture of the two.
    e.volume_.file().give_up();
    return describe(Code::kIo, EIO, e.path_,
                    ": the file was overwritten under the mapping; what stands on the disk is as it is; close it "
                    "and open it again");
  }
  if (e.open_epoch_.load(std::memory_order_relaxed) >= kMaxEpoch) {
    return Status(Code::kFull, "the file has used up its 2^40 epochs; copy it with backup()");
  }
  superblock_ = e.superblock_;
  superblock_.sequence++;
  superblock_.durable_epoch = e.next_epoch();
  superblock_.live_count = e.count_.load(std::memory_order_relaxed);
  superblock_.live_digest = e.digest_;
  superblock_.segment_count = e.segments_.needed_count();
  superblock_.slot_count = e.slots_.size();
  superblock_.generation_floor = e.slots_.highest_generation();
  superblock_.boot_id = e.platform_.boot_id();
  superblock_.identity = e.identity_;
  e.remember_damage();
  superblock_.damage = e.damage_;
  superblock_.flags &= ~(kFlagClean | kFlagProcessMode | kFlagDamaged | kFlagUnconfirmed);
  if (e.damage_.is_set) superblock_.flags |= kFlagDamaged;
  if (MMCB_BUG(kCleanFlagKept)) superblock_.flags |= e.superblock_.flags & kFlagClean;
  if (closing) {
    superblock_.flags |= kFlagClean;
  } else if (e.overwrites_durable()) {
    superblock_.flags |= kFlagProcessMode;
  } else if (order == Order::kAtOnce &&
             !MMCB_NEVER(e.superblock_.sequence == 0 || (e.superblock_.flags & (kFlagClean | kFlagProcessMode)) != 0)) {
    // There must be a superblock to go back to, and of an exact state: opening sees to that.
    superblock_.flags |= kFlagUnconfirmed;
  }
  e.syncing_segments_ = superblock_.segment_count;
  e.dirty_.store(false, std::memory_order_relaxed);
  phase_ = is_at_once() || MMCB_BUG(kSuperblockBeforeData) ? Phase::kSuperblockStore : Phase::kDataSync;
  if (MMCB_BUG(kUnconfirmedNotMarked)) superblock_.flags &= ~kFlagUnconfirmed;
  MMCB_STEP(kSyncBegun);
  return Status();
}

Status SyncMachine::step() {
  Engine& e = engine_;
  switch (phase_) {
    case Phase::kIdle: return Status(Code::kInvalidArgument, "no sync point is under way");

    case Phase::kDataSync:
      if (Status status = e.volume_.sync(); !status.ok()) return fail(std::move(status));
      MMCB_STEP(kSyncDataDone);
      phase_ = Phase::kSuperblockStore;
      return Status();

    case Phase::kSuperblockStore: {
      // What was synced must still be there.
      if (Status status = e.check_file_size(); !status.ok()) return fail(std::move(status));
      // The other of the two places: the superblock that counts now stays whole until this one is durable.
      if (MMCB_BUG(kSizeBeforeSync)) superblock_.segment_count = e.segments_.needed_count();
      std::byte bytes[Superblock::kSize];
      encode(superblock_, bytes);
      std::byte* const at = place();
      // No checksum while it is being written, and the magic before the rest: so that a store cut short, which is no
      // damage and may be the very first, is told from damage to a superblock that counted.
      uint32_t crc;
      std::memcpy(&crc, bytes + Superblock::kCrcOffset, sizeof crc);
      // Where there was damage before, it is damage until the new one stands: nobody may have been told of it yet.
      Superblock there;
      const SuperblockVerdict verdict = decode_in_place(e.volume_.at(0), superblock_.sequence & 1, &there);
      const bool damaged = verdict == SuperblockVerdict::kDamaged ||
                           (verdict == SuperblockVerdict::kForeign && superblock_.sequence > 2) ||
                           (verdict == SuperblockVerdict::kValid && !is_predecessor(there, e.superblock_));
      store32(at + Superblock::kCrcOffset, !damaged ? 0 : MMCB_NEVER(crc == 1) ? 2 : crc ^ 1);
      copy_in(at, bytes, kFileMagic.size());
      MMCB_STEP(kSuperblockHalf);
      copy_in(at + kFileMagic.size(), bytes + kFileMagic.size(), Superblock::kCrcOffset - kFileMagic.size());
      MMCB_STEP(kSuperblockHalf);
      store32(at + Superblock::kCrcOffset, crc);
      MMCB_STEP(kSuperblockStored);
      phase_ = MMCB_BUG(kAckBeforeSecondSync) ? Phase::kComplete : Phase::kSuperblockSync;
      return Status();
    }

    case Phase::kSuperblockSync:
      if (Status status = e.volume_.sync(); !status.ok()) return fail(std::move(status));
      MMCB_STEP(kSyncSuperblockDone);
      // What was synced along with it must still be there.
      if (Status status = is_at_once() ? e.check_file_size() : Status(); !status.ok()) return fail(std::move(status));
      phase_ = Phase::kComplete;
      return Status();

    case Phase::kComplete: {
      std::lock_guard guard(e.lock_);
      e.superblock_ = superblock_;
      e.syncing_segments_ = 0;
      e.durable_epoch_.store(superblock_.durable_epoch, std::memory_order_release);
      e.syncs_++;
      e.release_space();
      phase_ = Phase::kIdle;
      MMCB_STEP(kSyncCompleted);
      return Status();
    }
  }
  return Status();
}

Status SyncMachine::run(bool closing, Order order) {
  MMCB_TRY(begin(closing, order));
  while (phase_ != Phase::kIdle) MMCB_TRY(step());
  return Status();
}

Status SyncMachine::fail(Status status) {
  // Whoever waits for it is told that it failed: in this boot, where the page cache has all of its data, it must not count.
  if (is_at_once() && phase_ == Phase::kSuperblockSync && !engine_.volume_.is_lost())
    store32(place() + Superblock::kCrcOffset, 0);
  phase_ = Phase::kIdle;
  engine_.poison(status);
  return status;
}

}  // namespace mmcb
