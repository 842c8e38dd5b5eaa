// Segments: what recovery makes of a file.
#include <algorithm>
#include <cstring>

#include "core/segments.h"
#include "core/step.h"
#include "core/stores.h"

namespace mmcb {

Status Segments::rebuild_begin(uint32_t count) {
  MMCB_TRY(reserve_tables(count));
  MMCB_TRY(guarded([&] {
    segments_.clear();
    segments_.resize(count);
    return Status();
  }));
  free_.clear();
  filled_.clear();
  partial_.clear();
  live_and_slack_ = 0;
  live_bytes_ = 0;
  ended_count_ = 0;
  return Status();
}

void Segments::rebuild_used(uint32_t segment, const SegmentHeader& header, uint64_t used, uint32_t ordinals) {
  Segment& s = segments_[segment];
  s.state = Segment::State::kSealed;
  set_incarnation(segment, header.incarnation);
  s.run_length = header.run_length;
  s.used = used;
  s.ordinals = ordinals;
  for (uint32_t i = 1; i < header.run_length; i++) segments_[segment + i].state = Segment::State::kTail;
}

void Segments::rebuild_freed(uint32_t segment, const SegmentHeader& header) {
  for (uint32_t i = 1; i < header.run_length; i++) segments_[segment + i].behind = i;
}

void Segments::rebuild_ended(uint32_t segment, const SegmentHeader& header, uint64_t end_epoch) {
  rebuild_used(segment, header, kSegmentHeaderSize, 0);
  segments_[segment].state = Segment::State::kEnded;
  segments_[segment].end_epoch = end_epoch;
  ended_count_ += header.run_length;
}

void Segments::void_unused_trailers() {
  for (uint32_t i = 0; i < count(); i++) {
    const Segment::State state = segments_[i].state;
    if (state != Segment::State::kFree && state != Segment::State::kEnded) continue;
    if (!volume_.file().is_untouchable_hole(end_of(i) - kSegmentTrailerSize)) void_trailer(i);
  }
}

namespace {

// One segment in saved tables.
struct SavedSegment {
  uint32_t state;
  uint32_t incarnation;
  uint32_t run_length;
  uint32_t ordinals;
  uint32_t live_entries;
  uint32_t behind;
  uint64_t used;
  uint64_t live_bytes;
  uint64_t slack_bytes;
  uint64_t end_epoch;
  uint64_t reserved;
};
static_assert(sizeof(SavedSegment) == Segments::kSavedSegment);

}  // namespace

void Segments::save_segment(uint32_t segment, std::byte* target) const {
  const Segment& s = segments_[segment];
  const Segment::State state = s.state == Segment::State::kActive ? Segment::State::kSealed : s.state;
  const SavedSegment saved{static_cast<uint32_t>(state),
                           s.incarnation,
                           s.run_length,
                           s.ordinals,
                           s.live_entries,
                           s.behind,
                           s.used,
                           s.live_bytes,
                           s.slack_bytes,
                           s.end_epoch,
                           0};
  std::memcpy(target, &saved, sizeof saved);
}

bool Segments::restore_segment(uint32_t segment, const std::byte* bytes) {
  SavedSegment saved;
  std::memcpy(&saved, bytes, sizeof saved);
  const uint64_t size = uint64_t{saved.run_length} * segment_size_;
  if (saved.state > static_cast<uint32_t>(Segment::State::kTail) || saved.run_length == 0 ||
      saved.run_length > count() - segment || saved.behind > segment || saved.used > size ||
      saved.ordinals > kMaxOrdinals || saved.live_entries > saved.ordinals || saved.live_bytes > size ||
      saved.slack_bytes > size - saved.live_bytes) {
    return false;
  }
  Segment& s = segments_[segment];
  s.state = static_cast<Segment::State>(saved.state);
  set_incarnation(segment, saved.incarnation);
  s.run_length = saved.run_length;
  s.ordinals = saved.ordinals;
  s.live_entries = saved.live_entries;
  s.behind = saved.behind;
  s.used = saved.used;
  s.live_bytes = saved.live_bytes;
  s.slack_bytes = saved.slack_bytes;
  s.end_epoch = saved.end_epoch;
  live_bytes_ += s.live_bytes;
  live_and_slack_ += s.live_bytes + s.slack_bytes;
  if (s.state == Segment::State::kEnded) ended_count_ += s.run_length;
  return true;
}

void Segments::rebuild_finish() {
  for (uint32_t i = 0; i < count(); i++) {
    Segment& s = segments_[i];
    // Not known (a copy may have holes where nothing is stored yet): asking for blocks that are there is cheap, and granted
    // on a full disk, too.
    s.blocks = Segment::Blocks::kUnknown;
    if (s.state == Segment::State::kFree) {
      free_.insert(i);
    } else if (s.state == Segment::State::kSealed && s.run_length == 1 && !s.damaged &&
               room_of(i) > segment_size_ / 16) {
      partial_.push_back(i);
    }
  }
}

}  // namespace mmcb
