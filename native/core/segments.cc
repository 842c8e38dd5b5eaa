#include "core/segments.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/step.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Sealed segments with room that are remembered; more would only be memory.
constexpr size_t kMaxPartial = 1024;
// A segment is full before its ordinals run out, and a run holds one entry.
static_assert(kMaxSegmentSize / (EntryHeader::kSize + sizeof(uint64_t)) < kMaxOrdinals);

}  // namespace

Status Segments::initialize(uint32_t segment_size, uint64_t head, uint32_t seed, uint64_t max_size) {
  segment_size_ = segment_size;
  log2_segment_size_ = static_cast<unsigned>(std::countr_zero(segment_size));
  head_ = head;
  seed_ = seed;
  max_size_ = max_size;
  hole_unit_ = std::max<uint64_t>(volume_.file().hole_unit(), segment_size);
  MMCB_TRY(guarded([&] {
    partial_.reserve(kMaxPartial);
    return Status();
  }));
  return incarnations_.reserve((volume_.address_space() / segment_size_ + 1) * sizeof(uint32_t));
}

void Segments::set_incarnation(uint32_t segment, uint32_t incarnation) {
  segments_[segment].incarnation = incarnation;
  reinterpret_cast<std::atomic<uint32_t>*>(incarnations_.data())[segment].store(incarnation, std::memory_order_release);
}

Status Segments::reserve_tables(uint64_t count) {
  MMCB_TRY(incarnations_.ensure(count * sizeof(uint32_t)));
  return guarded([&] {
    free_.reserve(count);
    filled_.reserve(count);
    return Status();
  });
}

// ---- Allocation ---------------------------------------------------------------------------------------------------------

uint64_t Segments::room_of(uint32_t segment) const {
  const Segment& s = segments_[segment];
  const uint64_t end =
      s.run_length * static_cast<uint64_t>(segment_size_) - kSegmentTrailerSize - 8 * (uint64_t{s.ordinals} + 1);
  return s.used < end ? end - s.used : 0;
}

bool Segments::place_in(uint32_t segment, uint64_t total_size, Place* place) {
  Segment& s = segments_[segment];
  const uint64_t start = offset_of(segment);
  const uint64_t offset = entry_start(start + s.used);
  const uint64_t mark = mark_offset(start + (uint64_t{s.run_length} << log2_segment_size_), s.ordinals);
  if (offset + total_size > mark) return false;
  *place = {offset, mark, segment, s.incarnation, static_cast<uint16_t>(s.ordinals)};
  s.ordinals++;
  s.used = offset + total_size - start;
  return true;
}

Status Segments::allocate(Stream stream, uint64_t total_size, uint64_t epoch, Place* place) {
  if (total_size > segment_size_ - kSegmentOverhead - 8) {
    const uint64_t bytes = kSegmentOverhead + total_size + 8;
    const auto length = static_cast<uint32_t>((bytes + segment_size_ - 1) / segment_size_);
    uint32_t first;
    MMCB_TRY(keep_spare(stream, length));
    MMCB_TRY(take_run(length, epoch, &first));
    place_in(first, total_size, place);
    segments_[first].state = Segment::State::kSealed;
    filled_.insert(first);
    if (observer_) observer_();
    return Status();
  }
  if (stream == Stream::kFresh && is_large(total_size)) stream = Stream::kLarge;
  uint32_t& active = active_of(stream);
  for (;;) {
    if (active != kNone) {
      if (place_in(active, total_size, place)) return Status();
      const uint32_t full = active;
      active = kNone;
      segments_[full].state = Segment::State::kSealed;
      filled_.insert(full);
      if (room_of(full) > segment_size_ / 16 && partial_.size() < partial_.capacity()) partial_.push_back(full);
    }
    // A large entry would leave a hole in most partly filled segments; it gets a fresh one.
    if (stream != Stream::kLarge) {
      while (!partial_.empty() && active == kNone) {
        const uint32_t candidate = partial_.back();
        partial_.pop_back();
        // It may have been freed since, and be gone with the end of the file, or something else now: the head of a run, whose
        // entries all start in its first segment.
        if (candidate >= count()) continue;
        Segment& s = segments_[candidate];
        if (s.state != Segment::State::kSealed || s.run_length != 1 || s.victim || s.damaged ||
            room_of(candidate) < total_size + kSector || !fill_holes(candidate, 1).ok()) {
          continue;
        }
        s.state = Segment::State::kActive;
        active = candidate;
      }
      if (active != kNone) continue;
    }
    MMCB_TRY(open_segment(stream, epoch));
  }
}

Status Segments::open_segment(Stream stream, uint64_t epoch) {
  uint32_t first;
  MMCB_TRY(keep_spare(stream, 1));
  MMCB_TRY(take_run(1, epoch, &first));
  active_of(stream) = first;
  // Compaction wants nothing brought in ahead: it is about to make the file smaller.
  if (observer_ && stream != Stream::kCold) observer_();
  return Status();
}

// Invalidates, fills, publishes: at no moment does a header of the old incarnation stand over marks of the new one, or
// the other way round.
void Segments::write_header(uint32_t segment, uint32_t run_length, uint64_t epoch) {
  SegmentHeader header;
  platform_.random(&header.incarnation, sizeof header.incarnation);
  if (MMCB_BUG(kIncarnationReused)) header.incarnation = segment;
  header.run_length = run_length;
  header.birth_epoch = epoch;
  header.index = segment;

  std::byte* at = volume_.at(offset_of(segment));
  std::byte bytes[SegmentHeader::kSize];
  encode(header, seed_, bytes);
  store32(at + kSegmentCrcOffset, 0);
  MMCB_STEP(kSegmentInvalidated);
  copy_in(at, bytes, kSegmentCrcOffset);
  copy_in(at + 8, bytes + 8, SegmentHeader::kSize - 8);
  store64(at + kSegmentMarkOffset, encode_mark(seed_, segment, header.incarnation, kSegmentOrdinal, 0));
  store64(volume_.at(offset_of(segment + run_length) - kSegmentTrailerSize),
          encode_trailer(seed_, segment + run_length - 1, header.incarnation));
  MMCB_STEP(kSegmentFilled);
  uint32_t crc;
  std::memcpy(&crc, bytes + kSegmentCrcOffset, sizeof crc);
  store32(at + kSegmentCrcOffset, crc);
  MMCB_STEP(kSegmentPublished);

  Segment& s = segments_[segment];
  s = Segment{};
  s.state = Segment::State::kActive;
  set_incarnation(segment, header.incarnation);
  s.run_length = run_length;
  s.used = kSegmentHeaderSize;
}

// ---- Accounting -----------------------------------------------------------------------------------------------------------

void Segments::add_live(uint32_t segment, const EntryHeader& header) {
  Segment& s = segments_[segment];
  s.live_entries++;
  s.live_bytes += footprint(header);
  s.slack_bytes += slack_of(header);
  live_and_slack_ += header.total_size() + 8;
  live_bytes_ += footprint(header);
}

void Segments::remove_live(uint32_t segment, const EntryHeader& header) {
  Segment& s = segments_[segment];
  s.live_entries--;
  s.live_bytes -= footprint(header);
  s.slack_bytes -= slack_of(header);
  live_and_slack_ -= header.total_size() + 8;
  live_bytes_ -= footprint(header);
}

void Segments::change_live(uint32_t segment, const EntryHeader& from, const EntryHeader& to) {
  Segment& s = segments_[segment];
  s.live_bytes += footprint(to) - footprint(from);
  live_bytes_ += footprint(to) - footprint(from);
  s.slack_bytes += slack_of(to) - slack_of(from);
}

uint64_t Segments::garbage_of(uint32_t segment) const {
  const Segment& s = segments_[segment];
  switch (s.state) {
    case Segment::State::kActive:
    case Segment::State::kSealed:
      return s.used - kSegmentHeaderSize + 8 * static_cast<uint64_t>(s.ordinals) - s.live_bytes - s.slack_bytes;
    default: return 0;
  }
}

uint64_t Segments::excess_slack_of(uint32_t segment, double extension_factor) const {
  const Segment& s = segments_[segment];
  // Keys count as data here: a little too much for what is expected, never too much for what is in excess.
  const uint64_t headers = s.live_entries * (EntryHeader::kSize + 8);
  const double data = s.live_bytes > headers ? static_cast<double>(s.live_bytes - headers) : 0;
  const auto expected = static_cast<uint64_t>(data * (extension_factor - 1)) + 8 * s.live_entries;
  return s.slack_bytes > expected ? s.slack_bytes - expected : 0;
}

Segments::Totals Segments::totals() const {
  Totals t;
  t.live_bytes = head_;
  for (uint32_t i = 0; i < count(); i++) {
    const Segment& s = segments_[i];
    const uint64_t length = s.run_length * static_cast<uint64_t>(segment_size_);
    switch (s.state) {
      case Segment::State::kFree: t.free_bytes += segment_size_; break;
      case Segment::State::kTail: break;  // its first segment speaks for it
      case Segment::State::kEnded: t.garbage_bytes += length; break;
      case Segment::State::kActive:
      case Segment::State::kSealed: {
        const uint64_t garbage = garbage_of(i);
        t.live_bytes += kSegmentOverhead + s.live_bytes;
        t.slack_bytes += s.slack_bytes;
        t.garbage_bytes += garbage;
        t.free_bytes += length - kSegmentOverhead - s.live_bytes - s.slack_bytes - garbage;
        t.ordinals += s.ordinals;
        break;
      }
    }
  }
  return t;
}

uint32_t Segments::take_filled() {
  while (!filled_.empty()) {
    const uint32_t segment = filled_.next(0);
    filled_.erase(segment);
    if (segment < count()) return segment;  // not trimmed away meanwhile
  }
  return kNone;
}

}  // namespace mmcb
