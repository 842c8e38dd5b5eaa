// Segments: what recovery makes of a file.
#include <algorithm>

#include "core/segments.h"
#include "core/step.h"
#include "core/stores.h"

namespace mmcb {

Status Segments::rebuild_begin(uint32_t count) {
  MMCB_TRY(reserve_tables(count));
  MMCB_TRY(guarded([&] {
    segments_.assign(count, Segment{});
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
