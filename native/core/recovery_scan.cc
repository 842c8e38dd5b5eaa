// Recovery, the scan: reads every segment and fills the engine's tables. Stores nothing.
#include <algorithm>
#include <iterator>
#include <utility>

#include "core/digest.h"
#include "core/recovery.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Entries that are walked before they are scanned: with their bytes they fit the second-level cache.
constexpr size_t kBlock = 1024;
// Bytes of segments from which on it pays to have a second thread walk ahead.
constexpr uint64_t kWorthAThread = 8 << 20;
// Segments that are looked at for it, so that a scan of nothing but free ones can be aborted soon.
constexpr uint32_t kLookAhead = 64;
constexpr const char* kPhases[] = {"scan", "second scan", "third scan", "fourth scan", "fifth scan"};

}  // namespace

bool Recovery::report_progress(uint64_t done, uint64_t total) {
  progress_done_ = done;
  progress_total_ = total;
  return go_on();
}

bool Recovery::go_on() {
  if (aborted_) return false;
  const size_t phase = std::min<size_t>(scans_, std::size(kPhases)) - 1;
  aborted_ = progress_ && !progress_(kPhases[phase], progress_done_, progress_total_);
  return !aborted_;
}

void Recovery::note_epoch(uint64_t epoch) { highest_epoch_ = std::max(highest_epoch_, epoch); }

Status Recovery::scan(Reading reading) {
  Engine& e = engine_;
  walked_.reserve(kBlock);
  limit_ = reading == Reading::kNewest ? kMaxEpoch : superblock_.durable_epoch;
  {
    WalkAhead helper(e.platform_, context_, limit_);
    const bool is_worth_it = e.volume_.size() - e.segments_.head() >= kWorthAThread;
    ahead_ = is_worth_it && helper.start() ? &helper : nullptr;
    next_offer_ = 0;
    const Status status = scan_segments(reading);
    ahead_ = nullptr;
    MMCB_TRY(status);
  }
  // From here on keys come one by one.
  for (KeyIndex* keys : {&e.ints_, &e.strings_}) keys->expect(0);
  e.segments_.rebuild_finish();
  e.slots_.finish_rebuild();
  const uint32_t count = e.segments_.count();
  return report_progress(count, count) ? Status() : Status(Code::kAborted);
}

// Only what is plainly a segment in use. The scan looks again, and does not depend on what is found here.
void Recovery::offer_segments(uint32_t from) {
  Engine& e = engine_;
  const uint32_t count = e.segments_.count();
  next_offer_ = std::max(next_offer_, from);
  while (next_offer_ < count && next_offer_ - from < kLookAhead && ahead_->has_room()) {
    const uint32_t index = next_offer_++;
    SegmentHeader header;
    Mark mark;
    if (e.volume_.file().is_untouchable_hole(e.segments_.offset_of(index)) ||
        !read_segment(context_, index, count, &header, &mark)) {
      continue;
    }
    if (header.run_length > 1) {
      next_offer_ += header.run_length - 1;
    } else if (header.birth_epoch <= limit_ && (!mark.valid || mark.end_epoch == 0 || mark.end_epoch > limit_)) {
      ahead_->offer(index, header);
    }
  }
}

Status Recovery::scan_segments(Reading reading) {
  Engine& e = engine_;
  const uint32_t count = e.segments_.count();
  for (uint32_t i = 0; i < count;) {
    if (!report_progress(i, count)) return Status(Code::kAborted);
    if (ahead_ != nullptr) offer_segments(i);
    SegmentHeader header;
    Mark mark;
    bool rebuilt = false;
    if (e.volume_.file().is_untouchable_hole(e.segments_.offset_of(i))) {
      i++;
      continue;
    }
    if (!read_segment(context_, i, count, &header, &mark)) {
      // It would be believed again as soon as the file is long enough.
      if (is_cut_off(context_, i, count)) needs_apply(i);
      rebuilt = trailers_count_ && rebuild_segment(i, &header);
      if (rebuilt) doubts_++;
      if (!rebuilt || doubt_ == Doubt::kExclude) {
        i++;
        continue;
      }
    }
    note_epoch(header.birth_epoch);
    if (mark.valid) note_epoch(mark.end_epoch);
    if (header.birth_epoch > limit_) {
      // What of this run's other segments the older state still knows stands in their own headers.
      needs_apply(i);
      walk_run(context_, i, header, ~0ull, [&](const WalkedEntry& entry) {
        note_epoch(entry.header.epoch);
        if (entry.header.kind != Kind::kRedoList) e.recovery_.discarded++;
      });
      if (aborted_) return Status(Code::kAborted);
      i++;
      continue;
    }
    const bool ended = mark.valid && mark.end_epoch != 0 && mark.end_epoch <= limit_;
    // Emptied after E: a power cut before the next sync point would still need it. (Not so what was emptied up to E, or in
    // process mode, whose header may stand for a run of which other segments are in use again. That E itself is on the disk,
    // apply() sees to, before anything is used again.)
    const bool held = ended && reading == Reading::kNewest && mark.end_epoch > superblock_.durable_epoch &&
                      !was_process_mode() && !e.overwrites_durable() && !MMCB_BUG(kKillRecoveryFreesHeld);
    if ((!ended || held) && header.run_length > 1 && !MMCB_BUG(kOutlivedRunKept) && !settle_run(i, header)) {
      i++;
      continue;
    }
    if (!ended) {
      expect_keys();
      MMCB_TRY(scan_segment(i, header, mark, rebuilt));
      if (aborted_) return Status(Code::kAborted);
      i += header.run_length;
    } else if (held) {
      e.segments_.rebuild_ended(i, header, mark.end_epoch);
      i += header.run_length;
    } else {
      e.segments_.rebuild_freed(i, header);
      i++;
    }
  }
  return Status();
}

bool Recovery::rebuild_segment(uint32_t index, SegmentHeader* header) const {
  const std::byte* at = context_.base + engine_.segments_.offset_of(index);
  // A header being written, or voided by recovery: everything but its checksum is there.
  if (load32(at) == kSegmentMagic && load32(at + kSegmentCrcOffset) == 0) return false;
  *header = SegmentHeader{0, 1, 0, index};
  File& file = engine_.volume_.file();
  const bool thorough = doubt_ == Doubt::kSalvage;
  const uint64_t size = context_.segment_size;
  const uint64_t most = std::min<uint64_t>(engine_.segments_.count() - index, (uint64_t{1} << 33) / size);
  const EntryHeader first = decode_entry_header(at + kSegmentHeaderSize);
  const uint64_t told = (kSegmentOverhead + first.total_size() + 8 + size - 1) / size;
  for (uint64_t length = 1; length <= (thorough ? most : std::min(most, told)); length++) {
    const uint64_t last = engine_.segments_.offset_of(index) + (length - 1) * size;
    const uint64_t trailer = last + size - kSegmentTrailerSize;
    // There are no holes in what is in use.
    if (file.is_untouchable_hole(last) || file.is_untouchable_hole(trailer)) return false;
    SegmentHeader own;
    // No run reaches over a segment that speaks for itself: this would be the trailer of one that is long gone.
    if (length > 1 && decode(context_.base + last, context_.seed, &own) && own.index == index + length - 1)
      return false;
    if (length > 1 && length != told && !thorough) continue;
    header->run_length = static_cast<uint32_t>(length);
    if (decode_trailer(load64(context_.base + trailer), context_.seed, index + header->run_length - 1,
                       &header->incarnation))
      return true;
  }
  return false;
}

Status Recovery::scan_segment(uint32_t index, const SegmentHeader& header, const Mark& mark, bool rebuilt) {
  Engine& e = engine_;
  const uint64_t damage_before = e.recovery_.quarantined + suspect_count_;
  const uint64_t start = e.segments_.offset_of(index);
  const uint64_t run_end = start + static_cast<uint64_t>(header.run_length) * superblock_.segment_size;
  Damage damage;
  if (rebuilt) {
    damage.kind = DamageKind::kSegmentHeader;
    damage.offset = start;
    damage.length = kSegmentHeaderSize;
  } else if (!mark.valid) {
    damage.kind = DamageKind::kSegmentMark;
    damage.offset = start + kSegmentMarkOffset;
    damage.length = sizeof(uint64_t);
  } else if (const uint64_t trailer = load64(context_.base + run_end - kSegmentTrailerSize);
             trailer != encode_trailer(e.seed_, index + header.run_length - 1, header.incarnation)) {
    needs_apply(index);
    if (trailer != 0) {  // zeros: it had ended, and that is undone
      damage.kind = DamageKind::kSegmentHeader;
      damage.offset = run_end - kSegmentTrailerSize;
      damage.length = kSegmentTrailerSize;
    }
  }
  if (damage.length != 0) {
    needs_apply(index);
    note_damage(std::move(damage));
  }
  if (mark.valid && mark.end_epoch != 0) needs_apply(index);
  // Trailers inside of a run are void, but power may have been lost before the disk knew.
  for (uint32_t i = index; i + 1 < index + header.run_length; i++) {
    uint32_t ignored;
    const std::byte* const inside = context_.base + e.segments_.offset_of(i + 1) - kSegmentTrailerSize;
    if (decode_trailer(load64(inside), e.seed_, i, &ignored)) needs_apply(index);
  }

  WalkEnd end;
  Refused refused;
  const Status status = scan_run(index, header, &end, &refused);
  if (aborted_) return status;
  if (header.run_length == 1 && !MMCB_BUG(kTornLeftoversKept))
    find_torn(index, end.used, end.ordinals, [&](uint64_t) { needs_apply(index); });
  refused.keep_place(&end);
  examine_tail(index, header, end);
  e.segments_.rebuild_used(index, header, end.used, end.ordinals);
  // Damaged bytes stay where they are until the file is closed, for whoever wants to look at them.
  if (doubt_ == Doubt::kSalvage)
    e.segments_.at(index).damaged = e.recovery_.quarantined + suspect_count_ != damage_before;
  return status;
}

Status Recovery::scan_run(uint32_t index, const SegmentHeader& header, WalkEnd* end, Refused* refused) {
  const uint64_t start = engine_.segments_.offset_of(index);
  const uint64_t run_end = start + static_cast<uint64_t>(header.run_length) * superblock_.segment_size;
  const WalkedSegment* const ahead = ahead_ != nullptr ? ahead_->take(index, header) : nullptr;
  if (ahead != nullptr) {
    *end = ahead->end;
    if (ahead->has_refused) {
      for (const KeyedEntry& keyed : ahead->entries)
        if (keyed.entry.header.epoch > limit_) refused->add(keyed.entry, start);
    }
    return scan_entries(index, run_end, ahead->entries);
  }
  // First the checksums of a block, then the tables: each alone keeps its misses overlapped, the two in turn for each entry
  // would wait for them.
  Status status;
  const auto scan_walked = [&] {
    if (status.ok()) status = scan_entries(index, run_end, walked_);
    walked_.clear();
  };
  *end = walk_run(
      context_, index, header, ~0ull,
      [&](const WalkedEntry& entry) {
        walked_.push_back(with_key_word(context_, entry));
        if (walked_.size() == kBlock) scan_walked();
        if (entry.header.epoch <= limit_) return true;
        refused->add(entry, start);
        return false;
      },
      [&](const WalkGap& gap) {
        scan_walked();  // damage is told in the order of the file
        examine(index, header, gap, false);
      });
  scan_walked();
  return status;
}

// The header of a run and that of a segment inside it can stand beside each other, and only one of them is right: in process
// mode a segment of a run is used again before the end of the run is on the disk, and a disk may bring back what stood in a
// sector long ago. The other one goes, also from the file: it would come back when the one that is believed has ended. False:
// the run is the one that goes.
bool Recovery::settle_run(uint32_t first, const SegmentHeader& run) {
  const Segments& segments = engine_.segments_;
  uint64_t data_end = 0;  // what the entry's data covers is data, whatever it looks like
  bool walked = false;    // only where there is anything: a walk reads all of the data
  bool is_outlived = false;
  for (uint32_t i = first + 1; i < first + run.run_length; i++) {
    SegmentHeader header;
    Mark mark;
    if (!read_segment(context_, i, segments.count(), &header, &mark)) continue;
    if (!std::exchange(walked, true)) {
      walk_run(context_, first, run, ~0ull, [&](const WalkedEntry& entry) { data_end = entry.data_end(); });
    }
    if (segments.offset_of(i) < data_end) continue;
    if (!mark.valid || mark.end_epoch == 0 || mark.end_epoch > limit_) needs_apply(i);
    // Of the same epoch, the run is the later one if its entry is there.
    if (header.birth_epoch > run.birth_epoch || (header.birth_epoch == run.birth_epoch && data_end == 0))
      is_outlived = true;
  }
  if (!is_outlived) return true;
  needs_apply(first);
  Damage damage;
  damage.kind = DamageKind::kSegmentHeader;
  damage.offset = segments.offset_of(first);
  damage.length = kSegmentHeaderSize;
  note_damage(std::move(damage));
  return false;
}

}  // namespace mmcb
