// Recovery, the stores: makes the file say what was decided.
//
// Each store may be repeated after a crash in the middle: it depends on nothing but the decision, and none touches what the
// reading as of E needs. The segments concerned are walked once more instead of keeping a list of stores, which could be as
// long as the file has entries.
#include <cstring>

#include "core/journal.h"
#include "core/recovery.h"
#include "core/stores.h"
#include "core/sync_machine.h"

namespace mmcb {

void Recovery::apply_to_entry(uint32_t index, uint64_t run_end, const WalkedEntry& entry) {
  Engine& e = engine_;
  const EntryHeader& h = entry.header;
  if (h.epoch > limit_) {
    store32(e.volume_.at(entry.offset), 0);
    MMCB_STEP(kRecoveryScrubbed);
    return;
  }
  if (h.kind == Kind::kRedoList) return;
  const bool live = e.slots_.resolve(h.address()) == entry.offset;
  if (live) {
    if (entry.mark.valid && entry.mark.end_epoch == 0) return;
    if (MMCB_BUG(kRevivedMarksKept)) return;
    // Ended after E, or the mark is lost and the digest says that it was live.
    store64(e.volume_.at(mark_offset(run_end, h.ordinal)),
            encode_mark(e.seed_, index, e.segments_.at(index).incarnation, h.ordinal, 0));
    MMCB_STEP(kRecoveryRevived);
    return;
  }
  // Dead already; else superseded by a newer version, or of no known state.
  if (entry.mark.valid && entry.mark.end_epoch != 0 && entry.mark.end_epoch <= limit_) return;
  Engine::Found found;
  found.offset = entry.offset;
  found.header = h;
  e.end_entry(found);
}

void Recovery::void_header(uint32_t index) {
  store32(engine_.volume_.at(engine_.segments_.offset_of(index) + kSegmentCrcOffset), 0);
  MMCB_STEP(kRecoveryScrubbed);
}

void Recovery::store_header(const SegmentHeader& header) {
  std::byte bytes[SegmentHeader::kSize];
  encode(header, engine_.seed_, bytes);
  std::byte* at = engine_.volume_.at(engine_.segments_.offset_of(header.index));
  copy_in(at + 8, bytes + 8, SegmentHeader::kSize - 8);
  uint64_t first_word;
  std::memcpy(&first_word, bytes, sizeof first_word);
  store64(at, first_word);  // magic and checksum: now it holds again
  MMCB_STEP(kRecoveryScrubbed);
}

void Recovery::void_inner_trailers(uint32_t first, const SegmentHeader& run, uint64_t data_end) {
  Engine& e = engine_;
  for (uint32_t i = first; i + 1 < first + run.run_length; i++) {
    std::byte* const inside = e.volume_.at(e.segments_.offset_of(i + 1) - kSegmentTrailerSize);
    uint32_t ignored;
    if (e.segments_.offset_of(i + 1) < data_end + kSegmentTrailerSize ||
        !decode_trailer(load64(inside), e.seed_, i, &ignored)) {
      continue;
    }
    store64(inside, 0);
    MMCB_STEP(kTrailerVoided);
  }
}

void Recovery::apply_to_segment(uint32_t index) {
  Engine& e = engine_;
  std::byte* at = e.volume_.at(e.segments_.offset_of(index));
  SegmentHeader header;
  Mark mark;
  const bool rebuilt = !read_segment(context_, index, e.segments_.count(), &header, &mark);
  if (rebuilt && !rebuild_segment(index, &header)) {
    if (is_cut_off(context_, index, e.segments_.count())) void_header(index);
    return;
  }
  std::byte* const trailer_at = at + uint64_t{header.run_length} * superblock_.segment_size - kSegmentTrailerSize;
  const uint64_t trailer = encode_trailer(e.seed_, index + header.run_length - 1, header.incarnation);
  // A run that has given way to what stands in its other segments, or the other way round.
  const Segment::State state = e.segments_.at(index).state;
  const bool gave_way = state == Segment::State::kFree || state == Segment::State::kTail;
  if (header.birth_epoch > limit_ || gave_way) {
    if (MMCB_BUG(kVoidSegmentsKept)) return;
    // Should the voided header be lost one day, nothing is to speak for what was in there.
    if (load64(trailer_at) == trailer) {
      store64(trailer_at, 0);
      MMCB_STEP(kTrailerVoided);
    }
    return void_header(index);
  }
  const uint64_t run_end = e.segments_.end_of(index);
  if ((!mark.valid || mark.end_epoch != 0) && !MMCB_BUG(kRevivedMarksKept)) {
    store64(at + kSegmentMarkOffset, encode_mark(e.seed_, index, header.incarnation, kSegmentOrdinal, 0));
    MMCB_STEP(kRecoveryRevived);
  }
  if (rebuilt) store_header(header);
  if (load64(trailer_at) != trailer) {
    store64(trailer_at, trailer);
    MMCB_STEP(kRecoveryScrubbed);
  }
  uint64_t data_end = 0;
  const WalkEnd end = walk_run(context_, index, header, ~0ull, [&](const WalkedEntry& entry) {
    apply_to_entry(index, run_end, entry);
    data_end = entry.data_end();
    return entry.header.epoch <= limit_;
  });
  void_inner_trailers(index, header, data_end);
  // A power cut can leave the header of an entry that was written after E on the disk, and not all of its data: no entry,
  // today. But what is appended here next may be the same data again, in the same place (compaction does just that), and a
  // power cut under it could then complete the old header, of an epoch that counts as durable by then. So it has to go.
  // Only behind the last entry that stays: nothing before it is written again. Between those that go there may be more.
  if (header.run_length != 1 || MMCB_BUG(kTornLeftoversKept)) return;
  find_torn(index, end.used, end.ordinals, [&](uint64_t torn) {
    store32(e.volume_.at(torn), 0);
    MMCB_STEP(kRecoveryScrubbed);
  });
}

// The marker becomes durable with the sync point that seals this recovery: should the process die before anybody reads the
// report, the next opening still tells.
void Recovery::remember_damage() {
  Engine& e = engine_;
  if (e.recovery_.quarantined != 0 || e.recovery_.lost != 0) {
    e.note_damage();
    e.remember_damage();
    e.damage_.places += e.recovery_.quarantined;
    e.damage_.lost += e.recovery_.lost;
  }
  e.recovery_.marker = e.damage_;
}

Status Recovery::apply() {
  Engine& e = engine_;
  e.digest_ = e.digest_next_ = digest_;
  e.count_.store(count_);
  e.stored_generation_ = e.slots_.highest_generation();
  e.durable_epoch_.store(superblock_.durable_epoch);
  e.open_epoch_.store((MMCB_BUG(kEpochReuseAfterRollback) ? superblock_.durable_epoch : highest_epoch_) + 1);
  remember_damage();
  const bool read_only =
      e.options_.read_only;  // then all of this is done to the private mapping, and the file stays as it is
  const RecoveryStatus status = e.recovery_.status;
  if (!read_only) {
    // Part of a segment at the end of a file that was cut short: its header would count again once the file has grown.
    if (file_size_ > e.volume_.size()) MMCB_TRY(e.volume_.drop_rest(file_size_));
    // A copy may have holes where the journal is: no store there can be refused later.
    MMCB_TRY(e.volume_.allocate(0, e.segments_.head()));
    MMCB_TRY(e.volume_.map(e.volume_.size(), MapMode::kShared));
  }
  // From here on the file changes: nobody can call it off any more.
  context_.interrupt = nullptr;
  // The superblock gone by may be in the page cache only: its sync failed, or never came. Touched, it is on the disk before the
  // other one is overwritten, because the next data sync writes it (again).
  const uint64_t touch = kSuperblockOffset[superblock_.sequence & 1] + kSuperblockTouchOffset;
  store64(e.volume_.at(touch), load64(e.volume_.at(touch)) + 1);
  // Of the very first one there is no other: a power cut that took it and left anything of what is stored below would leave a
  // file that is nobody's.
  bool is_due = superblock_.sequence == 1;
  if (other_superblock_refused_ && !MMCB_BUG(kRefusedSuperblockKept)) {
    // It, or what was stored of it before a sync failed, may be on the disk, and agree with what apply leaves there.
    store32(e.volume_.at(kSuperblockOffset[(superblock_.sequence + 1) & 1] + Superblock::kCrcOffset), 0);
    is_due = true;
  }
  const auto sync_now = [&e] {
    Status synced = e.volume_.sync();
    if (!synced.ok()) e.poison(synced);
    return synced;
  };
  if (is_due && !read_only) MMCB_TRY(sync_now());
  if (replay_journal_ && !read_only) {
    Journal::replay(e.volume_.at(0), e.volume_.size(), superblock_);
    MMCB_STEP(kRecoveryReplayed);
  }
  const uint32_t segments = e.segments_.count();
  for (uint32_t i = 0; i < segments; i++) {
    if (!to_apply_[i]) continue;
    if (progress_) (void)progress_("apply", i, segments);
    apply_to_segment(i);
  }
  // Before the superblock: a trailer that was not asked this time, because power was lost, would be asked by the next opening.
  e.segments_.void_unused_trailers();
  if (progress_) (void)progress_("apply", segments, segments);
  e.journal_.clear();
  // After a salvage the digest stays wrong until the new superblock is there: should the power fail now, the next opening
  // must find out again that something is lost, for nobody has been told yet.
  const auto settle_digest = [&] {
    store64(e.volume_.at(kStateDigestNext), digest_);
    store64(e.volume_.at(kStateDigest), digest_);
  };
  if (status != RecoveryStatus::kSalvaged || read_only) settle_digest();
  store64(e.volume_.at(kStateGeneration), e.stored_generation_);
  store64(e.volume_.at(kStateFailed), kSoundMark);
  MMCB_STEP(kRecoveryStateWritten);
  if (read_only) return Status();
  for (uint32_t i = 0; i < segments; i++) e.end_if_empty(i);

  if (status == RecoveryStatus::kReplayed && !was_process_mode() && !e.overwrites_durable() &&
      e.recovery_.quarantined == 0) {
    // E still holds: the next sync point comes in its time. But the process may have died between storing the superblock
    // that says E and syncing it, and then the disk still has the one before, whose space must not be used again.
    MMCB_TRY(sync_now());
    MMCB_STEP(kRecoverySynced);
    e.note_change();
    e.release_space();
    return Status();
  }
  // Everything decided becomes durable, under an epoch above every number ever seen, before any new write.
  SyncMachine sync(e);
  MMCB_TRY(sync.begin());
  if (MMCB_BUG(kScrubNotSynced)) sync.skip_data_sync();
  while (sync.phase() != SyncMachine::Phase::kIdle) {
    MMCB_TRY(sync.step());
    if (sync.phase() == SyncMachine::Phase::kSuperblockStore) MMCB_STEP(kRecoverySynced);
  }
  if (status == RecoveryStatus::kSalvaged) settle_digest();
  MMCB_STEP(kRecoveryPublished);
  return Status();
}

}  // namespace mmcb
