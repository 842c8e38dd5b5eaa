#include "core/recovery.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/digest.h"
#include "core/journal.h"
#include "core/stores.h"
#include "core/sync_machine.h"

namespace mmcb {
namespace {

// Slots that were taken and given back without an entry.
constexpr uint64_t kSlotAllowance = 4096;

// Which of two versions of a slot is the newer one. Generations and versions wrap; two that meet are never far apart.
bool is_newer(const EntryHeader& a, const EntryHeader& b) {
  if (a.generation != b.generation) return ((a.generation - b.generation) & kGenerationMask) <= kGenerationMask / 2;
  return static_cast<int32_t>(a.version - b.version) > 0;
}

}  // namespace

Status Recovery::run() {
  MMCB_TRY(read_superblock());
  MMCB_TRY(decide());
  // It may have been the newer one: then this is the sync point before.
  if (other_superblock_damaged_) note_damage(kSuperblockOffset[(superblock_.sequence + 1) & 1]);
  engine_.recovery_.entries = count_;
  engine_.recovery_.durable_epoch = superblock_.durable_epoch;
  return apply();
}

// ---- Superblock -----------------------------------------------------------------------------------------------------------------

Status Recovery::read_superblock() {
  Engine& e = engine_;
  const std::string& path = e.path_;
  const uint64_t readable = std::min(file_size_, kStateOffset);
  MMCB_TRY(e.volume_.map(readable, MapMode::kPrivate));
  if (readable < kPage + Superblock::kSize) {
    // Too short for two superblocks: ours and cut off, or not ours.
    const bool ours =
        readable >= kFileMagic.size() && std::memcmp(e.volume_.at(0), kFileMagic.data(), kFileMagic.size()) == 0;
    if (ours)
      return Status(Code::kCorrupt, path + " is an mmcb file cut off after " + std::to_string(file_size_) + " bytes");
    return Status(Code::kNotMmcb, path + " is not an mmcb file; it was left untouched");
  }
  Superblock found[2];
  SuperblockVerdict verdict[2];
  for (int i = 0; i < 2; i++) verdict[i] = decode(e.volume_.at(kSuperblockOffset[i]), &found[i]);
  const auto either = [&](SuperblockVerdict v) { return verdict[0] == v || verdict[1] == v; };
  if (either(SuperblockVerdict::kNewer)) {
    const uint32_t version = found[verdict[0] == SuperblockVerdict::kNewer ? 0 : 1].format_version;
    return Status(Code::kVersion, path + " has format version " + std::to_string(version) + ", newer than " +
                                      std::to_string(kFormatVersion) + "; upgrade mmcb. It was left untouched");
  }
  if (!either(SuperblockVerdict::kValid)) {
    if (either(SuperblockVerdict::kDamaged))
      return Status(Code::kCorrupt, "both superblocks of " + path + " are damaged");
    return Status(Code::kNotMmcb, path + " is not an mmcb file; it was left untouched");
  }
  const bool second = verdict[1] == SuperblockVerdict::kValid &&
                      (verdict[0] != SuperblockVerdict::kValid || found[1].sequence > found[0].sequence);
  superblock_ = found[second ? 1 : 0];
  // The other one is whole too, or was just being written, or has never been.
  const SuperblockVerdict other = verdict[second ? 0 : 1];
  const bool is_first = superblock_.sequence == 1;
  other_superblock_damaged_ =
      other == SuperblockVerdict::kDamaged || (other == SuperblockVerdict::kForeign && !is_first);
  e.superblock_ = superblock_;
  e.seed_ = file_seed(superblock_.file_id);

  const uint64_t head = head_size(superblock_.segment_size, superblock_.journal_size);
  const uint64_t needed = head + static_cast<uint64_t>(superblock_.segment_count) * superblock_.segment_size;
  if (file_size_ < head || (file_size_ < needed && e.options_.recovery == RecoveryMode::kStrict)) {
    return Status(Code::kCorrupt, path + " is truncated: " + std::to_string(file_size_) + " bytes of at least " +
                                      std::to_string(needed) + "; restore a backup, or open with recovery 'salvage'");
  }
  MMCB_TRY(e.segments_.initialize(superblock_.segment_size, head, e.seed_, e.options_.max_size));
  e.journal_.initialize(&e.volume_, e.seed_, superblock_.journal_size, !e.volatile_);
  const uint64_t whole = head + (file_size_ - head) / superblock_.segment_size * superblock_.segment_size;
  return prepare(whole);
}

// Maps the file privately, afresh, with empty tables: the state before a scan.
Status Recovery::prepare(uint64_t length) {
  Engine& e = engine_;
  MMCB_TRY(e.volume_.map(length, MapMode::kPrivate));
  context_ = {e.volume_.at(0), e.seed_, superblock_.segment_size, e.segments_.head()};
  e.reset_tables();
  MMCB_TRY(e.slots_.initialize());
  MMCB_TRY(e.ints_.initialize(e.seed_));
  MMCB_TRY(e.strings_.initialize(e.seed_));
  const uint64_t generation =
      std::max<uint64_t>(superblock_.generation_floor, load64(e.volume_.at(kStateGeneration)) & kGenerationMask);
  if (!MMCB_BUG(kGenerationFloorLost))
    e.slots_.set_generation_floor(static_cast<uint32_t>(generation + 1) & kGenerationMask);
  running_[0] = load64(e.volume_.at(kStateDigest));
  running_[1] = load64(e.volume_.at(kStateDigestNext));
  state_is_sound_ = load64(e.volume_.at(kStateFailed)) == kSoundMark;
  // Every slot used since the superblock belongs to an entry appended since.
  slot_limit_ = superblock_.slot_count + length / EntryHeader::kSize + kSlotAllowance;
  plan_ = Plan{};
  digest_ = 0;
  count_ = 0;
  highest_epoch_ = superblock_.durable_epoch;
  e.data_size_ = 0;
  e.recovery_ = RecoveryReport{};
  return e.segments_.rebuild_begin(static_cast<uint32_t>((length - e.segments_.head()) / superblock_.segment_size));
}

// ---- Decision -----------------------------------------------------------------------------------------------------------------------

bool Recovery::matches_durable() const {
  return (digest_ == superblock_.live_digest && count_ == superblock_.live_count) || MMCB_BUG(kDigestIgnored);
}

bool Recovery::matches_running() const {
  if (MMCB_BUG(kDigestIgnored)) return true;
  // Zero is the digest of nothing, and what a lost page says. Whether the page was lost, its mark tells.
  if (digest_ == 0 && !state_is_sound_ && !MMCB_BUG(kLostStateTrusted)) return false;
  return digest_ == running_[0] || digest_ == running_[1];
}

std::string Recovery::mismatch() const {
  return engine_.path_ + " is damaged: as of its last sync point it held " + std::to_string(superblock_.live_count) +
         " entries, of which " + std::to_string(count_) + " were found whole" +
         (count_ == superblock_.live_count ? ", not all of them the right ones" : "") +
         "; restore a backup, or open with recovery 'salvage' to take what is whole";
}

Status Recovery::decide() {
  Engine& e = engine_;
  RecoveryReport& report = e.recovery_;
  const uint64_t length = e.volume_.size();
  const bool clean = (superblock_.flags & kFlagClean) != 0;
  const bool process_mode = (superblock_.flags & kFlagProcessMode) != 0;
  const bool salvage = e.options_.recovery == RecoveryMode::kSalvage;
  const bool failed = load64(e.volume_.at(kStateFailed)) == kFailedMark;
  const Uuid boot = e.platform_.boot_id();
  const bool same_boot =
      boot != Uuid{} && boot == superblock_.boot_id && superblock_.identity == e.identity_ && !failed;

  if (failed) {
    MMCB_TRY(keep_pages(length));
    MMCB_TRY(prepare(length));
  }
  if (!clean && same_boot) {
    replay_journal_ = Journal::is_armed(e.volume_.at(0));
    Journal::replay(e.volume_.at(0), e.volume_.size(), superblock_);
    MMCB_TRY(scan(Reading::kNewest));
    if (matches_running()) {
      report.status = RecoveryStatus::kReplayed;
      return Status();
    }
    replay_journal_ = false;
    MMCB_TRY(prepare(length));
  }
  // In process mode there is no exact older state to return to: after a power cut what is whole is taken, and said so.
  if (!(process_mode && !clean)) {
    MMCB_TRY(scan(Reading::kAsOfDurable));
    if (matches_durable() && !(salvage && !clean)) {
      report.status = clean ? RecoveryStatus::kClean : RecoveryStatus::kRolledBack;
      return Status();
    }
    if (!salvage) return Status(Code::kCorrupt, mismatch());
    MMCB_TRY(prepare(length));
  }
  salvaging_ = true;
  MMCB_TRY(scan(Reading::kNewest));
  report.status = RecoveryStatus::kSalvaged;
  report.lost = superblock_.live_count > count_ ? superblock_.live_count - count_ : 0;
  return Status();
}

// After a failed sync the kernel takes pages for written that are not on the disk. It may drop them at any time, and no sync
// writes them: what salvage found in them would go back to what it was; and where a recovery before this one has voided an
// entry, and its own sync has failed, the entry would come back. So all pages become dirty again before they are read.
Status Recovery::keep_pages(uint64_t length) {
  Engine& e = engine_;
  if (e.options_.read_only || MMCB_BUG(kFailedPagesNotKept)) return Status();
  MMCB_TRY(e.volume_.map(length, MapMode::kShared));
  for (uint64_t offset = 0; offset < length; offset += kPage) touch64(e.volume_.at(offset));
  MMCB_STEP(kRecoveryPagesKept);
  return Status();
}

// ---- Scan ---------------------------------------------------------------------------------------------------------------------------------

void Recovery::note_epoch(uint64_t epoch) { highest_epoch_ = std::max(highest_epoch_, epoch); }

void Recovery::note_damage(uint64_t offset) {
  RecoveryReport& report = engine_.recovery_;
  report.quarantined++;
  if (report.damage.size() < RecoveryReport::kMaxDamage) report.damage.push_back(offset);
}

Status Recovery::scan(Reading reading) {
  Engine& e = engine_;
  const uint32_t count = e.segments_.count();
  const uint64_t limit = reading == Reading::kNewest ? kMaxEpoch : superblock_.durable_epoch;
  for (uint32_t i = 0; i < count;) {
    if (progress_ && !progress_("scan", i, count)) return Status(Code::kAborted);
    SegmentHeader header;
    Mark mark;
    if (!read_segment(context_, i, count, &header, &mark)) {
      i++;
      continue;
    }
    note_epoch(header.birth_epoch);
    if (mark.valid) note_epoch(mark.end_epoch);
    if (header.birth_epoch > limit) {
      // What of this run's other segments the older state still knows stands in their own headers.
      plan_.void_segments.push_back(e.segments_.offset_of(i));
      walk_run(context_, i, header, ~0ull, [&](const WalkedEntry& entry) {
        note_epoch(entry.header.epoch);
        if (entry.header.kind != Kind::kRedoList) e.recovery_.discarded++;
      });
      i++;
      continue;
    }
    const bool ended = mark.valid && mark.end_epoch != 0 && mark.end_epoch <= limit;
    if (salvaging_ && !ended && header.run_length > 1 && !MMCB_BUG(kOutlivedRunKept) && !settle_run(i, header)) {
      i++;
      continue;
    }
    if (!ended) {
      MMCB_TRY(scan_segment(i, header, mark, limit));
      i += header.run_length;
    } else if (reading == Reading::kNewest && mark.end_epoch > superblock_.durable_epoch && !e.overwrites_durable() &&
               !MMCB_BUG(kKillRecoveryFreesHeld)) {
      // Emptied after E: a power cut before the next sync point would still need it. (Not so what was emptied up to E,
      // whose header may stand for a run of which other segments are in use again. That E itself is on the disk, apply()
      // sees to, before anything is used again.)
      e.segments_.rebuild_ended(i, header, mark.end_epoch);
      i += header.run_length;
    } else {
      i++;
    }
  }
  e.segments_.rebuild_finish();
  e.slots_.finish_rebuild();
  if (progress_ && !progress_("scan", count, count)) return Status(Code::kAborted);
  return Status();
}

Status Recovery::scan_segment(uint32_t index, const SegmentHeader& header, const Mark& mark, uint64_t limit) {
  Engine& e = engine_;
  const uint64_t damage_before = e.recovery_.quarantined;
  if (!mark.valid) {
    note_damage(e.segments_.offset_of(index));
  } else if (mark.end_epoch != 0) {
    plan_.revived.push_back({e.segments_.offset_of(index) + kSegmentMarkOffset,
                             encode_mark(e.seed_, index, header.incarnation, kSegmentOrdinal, 0)});
  }
  Status status;
  const uint64_t run_end =
      e.segments_.offset_of(index) + static_cast<uint64_t>(header.run_length) * superblock_.segment_size;
  const WalkEnd end = walk_run(context_, index, header, ~0ull, [&](const WalkedEntry& entry) {
    const EntryHeader& h = entry.header;
    note_epoch(h.epoch);
    if (entry.mark.valid) note_epoch(entry.mark.end_epoch);
    if (h.epoch > limit) {
      plan_.void_entries.push_back(entry.offset);
      e.recovery_.discarded++;
      return;
    }
    if (h.kind == Kind::kRedoList || !status.ok()) return;
    if (h.slot >= slot_limit_) {
      note_damage(entry.offset);
      return;
    }
    if (!entry.mark.valid && !(salvaging_ && MMCB_BUG(kSalvageRevives))) {
      // Whether it was live is not known, and guessing could bring back what was deleted.
      note_damage(entry.offset);
      status = e.slots_.note_dead(h.address());
      return;
    }
    const bool dead = entry.mark.end_epoch != 0 && (entry.mark.end_epoch <= limit || MMCB_BUG(kEndMarkWithoutEpoch));
    if (dead) {
      status = e.slots_.note_dead(h.address());
      return;
    }
    if (entry.mark.end_epoch != 0) {
      plan_.revived.push_back(
          {mark_offset(run_end, h.ordinal), encode_mark(e.seed_, index, header.incarnation, h.ordinal, 0)});
    }
    status = take_live(index, entry);
  });
  if (header.run_length == 1 && !MMCB_BUG(kTornLeftoversKept)) find_torn(index, end);
  e.segments_.rebuild_used(index, header, end.used, end.ordinals);
  if (salvaging_) {
    // Bytes between whole entries are what a damaged entry leaves, if not the remains of a call that was cut short.
    if (end.skipped != 0) note_damage(end.first_skip);
    // Damaged bytes stay where they are, for whoever wants to look at them.
    e.segments_.at(index).damaged = e.recovery_.quarantined != damage_before;
  }
  return status;
}

// In process mode a segment of a run is used again before the end of the run is on the disk. After a power cut its own
// header and that of the run can stand beside each other, and only one of them is right. The other one goes: it would come
// back when the one that is believed has ended. False: the run is the one that goes.
bool Recovery::settle_run(uint32_t first, const SegmentHeader& run) {
  Segments& segments = engine_.segments_;
  uint64_t data_end = 0;
  walk_run(context_, first, run, ~0ull, [&](const WalkedEntry& entry) {
    data_end = entry.offset + EntryHeader::kSize + entry.header.key_size + entry.header.data_size;
  });
  std::vector<uint64_t> inner;
  bool is_outlived = false;
  for (uint32_t i = first + 1; i < first + run.run_length; i++) {
    SegmentHeader header;
    Mark mark;
    if (segments.offset_of(i) < data_end || !read_segment(context_, i, segments.count(), &header, &mark)) continue;
    inner.push_back(segments.offset_of(i));
    // Of the same epoch, the run is the later one if its entry is there.
    if (header.birth_epoch > run.birth_epoch || (header.birth_epoch == run.birth_epoch && data_end == 0))
      is_outlived = true;
  }
  if (is_outlived) {
    plan_.void_segments.push_back(segments.offset_of(first));
    note_damage(segments.offset_of(first));
    return false;
  }
  plan_.void_segments.insert(plan_.void_segments.end(), inner.begin(), inner.end());
  return true;
}

// A power cut can leave the header of an entry that was written after E on the disk, and not all of its data: no entry,
// today. But what is appended here next may be the same data again, in the same place (compaction does just that), and a
// power cut under it could then complete the old header, of an epoch that counts as durable by then. So it has to go.
// Only behind the last whole entry: nothing before it is written again.
void Recovery::find_torn(uint32_t index, const WalkEnd& end) {
  const uint64_t start = engine_.segments_.offset_of(index);
  const uint64_t run_end = start + superblock_.segment_size;
  const uint64_t limit = mark_offset(run_end, end.ordinals);
  for (uint64_t at = entry_start(start + end.used); at + EntryHeader::kSize <= limit; at = entry_start(at + 8)) {
    if (load32(context_.base + at) == 0) continue;
    const EntryHeader h = decode_entry_header(context_.base + at);
    if (h.epoch <= superblock_.durable_epoch || h.ordinal < end.ordinals || h.data_size > h.capacity) continue;
    const uint64_t behind = mark_offset(run_end, h.ordinal);
    if (behind > at && h.total_size() <= behind - at) plan_.void_entries.push_back(at);
  }
}

Status Recovery::take_live(uint32_t segment, const WalkedEntry& entry) {
  Engine& e = engine_;
  const EntryHeader& h = entry.header;
  const Bytes key{entry.bytes(context_.base) + EntryHeader::kSize, h.key_size};
  Address present;
  uint64_t other = 0;
  if (e.slots_.live_at(h.slot, &present, &other)) {
    // Two versions without an end mark: the process died between publishing one and ending the other.
    const EntryHeader old = decode_entry_header(context_.base + other);
    if (!is_newer(h, old)) {
      plan_.superseded.push_back(entry.offset);
      return Status();
    }
    plan_.superseded.push_back(other);
    const Bytes old_key{context_.base + other + EntryHeader::kSize, old.key_size};
    if (old.kind != Kind::kPlain) e.index_for(old.kind).erase(e.word_of({old.kind, old_key}), other);
    e.segments_.remove_live(e.segments_.index_of(other), old);
    e.data_size_ -= old.data_size;
    digest_ -= digest_of(old);
    count_--;
  }
  if (salvaging_ && h.kind != Kind::kPlain) {
    // A key that was removed and added again, with the mark of the removal lost: the later one counts.
    const uint64_t rival = e.find_offset({h.kind, key});
    if (rival != 0) {
      const EntryHeader old = decode_entry_header(context_.base + rival);
      if (old.epoch > h.epoch) {
        plan_.superseded.push_back(entry.offset);
        return e.slots_.note_dead(h.address());
      }
      plan_.superseded.push_back(rival);
      e.index_for(old.kind).erase(e.word_of({h.kind, key}), rival);
      e.slots_.release(old.address());
      e.segments_.remove_live(e.segments_.index_of(rival), old);
      e.data_size_ -= old.data_size;
      digest_ -= digest_of(old);
      count_--;
    }
  }
  bool conflict = false;
  MMCB_TRY(e.slots_.restore(h.address(), entry.offset, &conflict));
  if (conflict) e.slots_.publish(h.address(), entry.offset);
  if (h.kind != Kind::kPlain) MMCB_TRY(e.index_for(h.kind).insert(e.word_of({h.kind, key}), entry.offset));
  e.segments_.add_live(segment, h);
  e.data_size_ += h.data_size;
  digest_ += digest_of(h);
  count_++;
  return Status();
}

// ---- Apply ---------------------------------------------------------------------------------------------------------------------------------

// Each store here may be repeated after a crash in the middle: it depends on nothing but the decision.
void Recovery::scrub() {
  Engine& e = engine_;
  for (const uint64_t offset : plan_.void_entries) {
    store32(e.volume_.at(offset), 0);
    MMCB_STEP(kRecoveryScrubbed);
  }
  for (const uint64_t offset : plan_.void_segments) {
    if (MMCB_BUG(kVoidSegmentsKept)) break;
    store32(e.volume_.at(offset + kSegmentCrcOffset), 0);
    MMCB_STEP(kRecoveryScrubbed);
  }
  for (const MarkStore& mark : plan_.revived) {
    if (MMCB_BUG(kRevivedMarksKept)) break;
    store64(e.volume_.at(mark.offset), mark.word);
    MMCB_STEP(kRecoveryRevived);
  }
}

Status Recovery::apply() {
  Engine& e = engine_;
  e.digest_ = e.digest_next_ = digest_;
  e.count_.store(count_);
  e.stored_generation_ = e.slots_.highest_generation();
  e.durable_epoch_.store(superblock_.durable_epoch);
  e.open_epoch_.store((MMCB_BUG(kEpochReuseAfterRollback) ? superblock_.durable_epoch : highest_epoch_) + 1);
  if (other_superblock_damaged_ || e.recovery_.quarantined != 0) e.superblock_.flags |= kFlagDamaged;
  const bool read_only =
      e.options_.read_only;  // then all of this is done to the private mapping, and the file stays as it is
  const RecoveryStatus status = e.recovery_.status;
  if (!read_only) MMCB_TRY(e.volume_.map(e.volume_.size(), MapMode::kShared));
  if (replay_journal_ && !read_only) {
    Journal::replay(e.volume_.at(0), e.volume_.size(), superblock_);
    MMCB_STEP(kRecoveryReplayed);
  }
  // The superblock gone by may be in the page cache only: its sync failed, or never came. It is on the disk before the
  // other one is overwritten, because the next data sync writes it (again).
  const uint64_t touch = kSuperblockOffset[superblock_.sequence & 1] + kSuperblockTouchOffset;
  store64(e.volume_.at(touch), load64(e.volume_.at(touch)) + 1);
  scrub();
  for (const uint64_t offset : plan_.superseded) {
    Engine::Found found;
    found.offset = offset;
    found.header = decode_entry_header(e.volume_.at(offset));
    e.end_entry(found);
  }
  e.journal_.clear();
  // After a salvage the digest stays wrong until the new superblock is there: should the power fail now, the next opening
  // must find out again that something is lost, for nobody has been told yet.
  const auto settle_digest = [&] {
    store64(e.volume_.at(kStateDigestNext), digest_);
    store64(e.volume_.at(kStateDigest), digest_);
  };
  if (status != RecoveryStatus::kSalvaged) settle_digest();
  store64(e.volume_.at(kStateGeneration), e.stored_generation_);
  store64(e.volume_.at(kStateFailed), kSoundMark);
  MMCB_STEP(kRecoveryStateWritten);
  if (read_only) return Status();
  for (uint32_t i = 0; i < e.segments_.count(); i++) e.end_if_empty(i);

  const bool was_process_mode = (superblock_.flags & kFlagProcessMode) != 0;
  if (status == RecoveryStatus::kReplayed && !was_process_mode && !e.overwrites_durable()) {
    // E still holds: the next sync point comes in its time. But the process may have died between storing the superblock
    // that says E and syncing it, and then the disk still has the one before, whose space must not be used again.
    if (Status synced = e.volume_.sync(); !synced.ok()) {
      e.poison(synced);
      return synced;
    }
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
