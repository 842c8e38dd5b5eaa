#include "core/segments.h"

#include <algorithm>
#include <cstring>

#include "core/step.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// The file grows by an eighth of itself, so that growing is rare and little is grown in vain; never by more than this.
constexpr uint64_t kMaxGrowth = 64 << 20;
constexpr uint32_t kGrowthShare = 8;
// Bytes at the end of a segment where marks are expected: those of entries of 170 bytes and more. Marks are stored at
// random, long after: in small folios such a store dirties one page and not megabytes.
constexpr uint64_t kMarkFolios = 96 << 10;
// Growing ahead of need by fewer segments than this gains nothing.
constexpr uint32_t kWorthwhileGrowth = 4;
// From this many segments on the last free one is compaction's. A smaller file has not much to gain, nor one to spare.
constexpr uint32_t kSpareFrom = 8;
// Sealed segments with room that are remembered; more would only be memory.
constexpr size_t kMaxPartial = 1024;
// A segment is full before its ordinals run out, and a run holds one entry.
static_assert(kMaxSegmentSize / (EntryHeader::kSize + sizeof(uint64_t)) < kMaxOrdinals);

}  // namespace

Status Segments::initialize(uint32_t segment_size, uint64_t head, uint32_t seed, uint64_t max_size) {
  segment_size_ = segment_size;
  head_ = head;
  seed_ = seed;
  max_size_ = max_size;
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

Status Segments::add_segments(uint64_t number) {
  const uint32_t old = count();
  MMCB_TRY(reserve_tables(old + number));
  const uint64_t bytes = file_bytes() + number * segment_size_;
  MMCB_TRY(guarded([&] {
    segments_.resize(old + number);
    return Status();
  }));
  if (Status status = volume_.grow(bytes); !status.ok()) {
    segments_.resize(old);
    return status;
  }
  for (uint32_t i = old; i < count(); i++) free_.insert(i);
  return Status();
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
  const uint64_t mark = mark_offset(end_of(segment), s.ordinals);
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
    MMCB_TRY(keep_spare(length));
    MMCB_TRY(take_run(length, epoch, &first));
    place_in(first, total_size, place);
    segments_[first].state = Segment::State::kSealed;
    filled_.insert(first);
    if (observer_) observer_();
    return Status();
  }
  if (stream == Stream::kFresh && total_size > segment_size_ / 8) stream = Stream::kLarge;
  uint32_t& active = active_[static_cast<size_t>(stream)];
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
        Segment& s = segments_[candidate];
        // It may have been freed since, and be something else now: the head of a run, whose entries all start in its first
        // segment.
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
  if (stream != Stream::kCold) MMCB_TRY(keep_spare(1));
  MMCB_TRY(take_run(1, epoch, &first));
  active_[static_cast<size_t>(stream)] = first;
  // Compaction wants nothing brought in ahead: it is about to make the file smaller.
  if (observer_ && stream != Stream::kCold) observer_();
  return Status();
}

// The lowest run of free segments that is long enough: the file's end empties first, and can be given back. Recovery relies
// on it, too: of a freed run the first segment is taken again before the others, so that its old header does not speak for
// them any more. Segments that the disk had no blocks for are left out, unless `refused_too`, and with them what was freed
// in one run behind them.
uint32_t Segments::find_run(uint32_t length, bool refused_too) const {
  uint32_t run = 0;
  uint32_t previous = kNone;
  for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
    if (!refused_too && segments_[segment].refused) {
      run = 0;
      continue;
    }
    run = run != 0 && segment == previous + 1 ? run + 1 : 1;
    previous = segment;
    if (run < length) continue;
    const uint32_t found = segment + 1 - length;
    const Segment& head = segments_[found - segments_[found].behind];
    if (refused_too || head.state != Segment::State::kFree || !head.refused) return found;
  }
  return kNone;
}

// Asks for the blocks of a run of free segments. On failure the segment at fault is noted as refused.
Status Segments::fill_holes(uint32_t first, uint32_t length) {
  for (uint32_t i = first; i < first + length; i++) {
    Segment& s = segments_[i];
    if (!s.hollow) continue;
    if (Status status = volume_.allocate(offset_of(i), segment_size_); !status.ok()) {
      s.refused = true;
      return status;
    }
    s.hollow = false;
    s.refused = false;
  }
  return Status();
}

// Makes sure that a free segment is left for compaction when a writer has taken `length`, and that it has its blocks. With
// none, a file that can not grow (full disk, maxSize) could not be compacted either, however much of it is garbage.
Status Segments::keep_spare(uint32_t length) {
  if (count() < kSpareFrom) return Status();
  uint32_t sound = 0;
  for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
    if (!segments_[segment].hollow && ++sound > length) return Status();
  }
  // Then holes: first those that may have their blocks after all, then those refused before, as long as there is space again.
  for (const bool refused : {false, true}) {
    for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
      const Segment& s = segments_[segment];
      if (!s.hollow || s.refused != refused) continue;
      if (fill_holes(segment, 1).ok()) {
        if (++sound > length) return Status();
      } else if (refused) {
        break;
      }
    }
  }
  return grow(length + 1 - sound);
}

Status Segments::take_run(uint32_t length, uint64_t epoch, uint32_t* first) {
  // On a full disk, what has its blocks may lie behind what has lost them.
  uint32_t found;
  while ((found = find_run(length, false)) != kNone) {
    Status status = fill_holes(found, length);
    if (status.ok()) break;
    if (status.code() != Code::kNoSpace) return status;
  }
  if (found == kNone) {
    // There may be space again.
    Status status;
    found = find_run(length, true);
    if (found != kNone) status = fill_holes(found, length);
    if (!status.ok() && status.code() != Code::kNoSpace) return status;
    if (found == kNone || !status.ok()) {
      // Free segments at the very end count towards the run.
      uint32_t tail = 0;
      while (tail < length && tail < count() && segments_[count() - 1 - tail].state == Segment::State::kFree) tail++;
      found = count() - tail;
      if (Status grown = grow(length - tail); !grown.ok()) return status.ok() ? grown : status;
      MMCB_TRY(fill_holes(found, length));
    }
  }
  // Before the first store into the segment, which would bring it in as one large folio.
  if (!segments_[found].faulted) prepare_marks(found + length - 1);
  for (uint32_t i = found; i < found + length; i++) {
    free_.erase(i);
    segments_[i] = Segment{};
    segments_[i].state = Segment::State::kTail;
  }
  write_header(found, length, epoch);
  *first = found;
  return Status();
}

Status Segments::grow(uint32_t needed) {
  const uint64_t limit = max_size_ == 0 ? volume_.address_space() : std::min(max_size_, volume_.address_space());
  const uint64_t now = file_bytes();
  const uint64_t most = limit > now ? (limit - now) / segment_size_ : 0;
  if (needed > most) {
    if (max_size_ != 0) return Status(Code::kFull, "the file may not grow beyond maxSize; remove entries or raise it");
    return Status(Code::kNoMemory, "the reserved address space is used up");
  }
  const uint64_t spare = growth_bound_ > now ? (growth_bound_ - now) / segment_size_ : 0;
  const uint64_t wanted = std::min<uint64_t>(reserve_size(), spare);
  const auto step = static_cast<uint32_t>(std::min(most, std::max<uint64_t>(needed, wanted)));
  Status status = add_segments(step);
  // A nearly full disk: what is needed may still fit.
  if (!status.ok() && step > needed) status = add_segments(needed);
  return status;
}

void Segments::prepare_marks(uint32_t last) {
  const uint64_t bytes = std::min<uint64_t>(kMarkFolios, segment_size_ / 4);
  volume_.populate(offset_of(last + 1) - bytes, bytes, Populate::kWriteSmallFolios);
}

std::vector<uint32_t> Segments::next_unfaulted(uint32_t most) {
  std::vector<uint32_t> next;
  next.reserve(std::min<uint64_t>(most, free_.size()));
  uint32_t looked_at = 0;
  for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
    if (looked_at++ == most) break;
    Segment& s = segments_[segment];
    if (s.faulted || s.hollow) continue;
    prepare_marks(segment);
    s.faulted = true;
    next.push_back(segment);
  }
  return next;
}

uint32_t Segments::reserve_size() const {
  return static_cast<uint32_t>(
      std::min<uint64_t>(std::max<uint32_t>(count() / kGrowthShare, 1), kMaxGrowth / segment_size_));
}

Status Segments::grow_ahead() {
  // Half of what a growth brings is left: time for the next one, before a writer has to wait for it.
  if (reserve_size() < kWorthwhileGrowth || free_.size() > reserve_size() / 2 || max_size_ != 0) return Status();
  return file_bytes() + segment_size_ <= growth_bound_ ? grow(1) : Status();
}

Status Segments::reserve_file(uint64_t bytes) {
  if (bytes <= file_bytes()) return Status();
  const uint64_t missing = (bytes - file_bytes() + segment_size_ - 1) / segment_size_;
  return add_segments(missing);
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

// ---- Ending, freeing, giving back -----------------------------------------------------------------------------------------

void Segments::seal(uint32_t segment) {
  for (uint32_t& active : active_) {
    if (active == segment) active = kNone;
  }
  if (segments_[segment].state == Segment::State::kActive) segments_[segment].state = Segment::State::kSealed;
}

void Segments::end_store(uint32_t segment, uint64_t epoch, uint64_t* offset, uint64_t* word) const {
  *offset = offset_of(segment) + kSegmentMarkOffset;
  *word = encode_mark(seed_, segment, segments_[segment].incarnation, kSegmentOrdinal, epoch);
}

void Segments::end(uint32_t segment, uint64_t epoch, bool marked) {
  seal(segment);
  Segment& s = segments_[segment];
  if (!marked) {
    uint64_t offset;
    uint64_t word;
    end_store(segment, epoch, &offset, &word);
    store64(volume_.at(offset), word);
    MMCB_STEP(kSegmentEnded);
    if (MMCB_BUG(kHolePunchedEarly)) (void)volume_.punch(offset_of(segment), segment_size_);
  }
  void_trailer(segment);
  live_and_slack_ -= s.live_bytes + s.slack_bytes;
  live_bytes_ -= s.live_bytes;
  s.live_bytes = 0;
  s.slack_bytes = 0;
  s.live_entries = 0;
  s.state = Segment::State::kEnded;
  s.victim = false;
  s.end_epoch = epoch;
  s.ticket = pins_.retire();
  ended_count_ += s.run_length;
}

// Becomes durable with the end itself, so before the space is used again: whatever then happens to the header, nothing speaks
// for what was in here. Should the end be undone, recovery writes the trailer anew.
bool Segments::void_trailer(uint32_t first) {
  std::byte* const trailer = volume_.at(end_of(first) - kSegmentTrailerSize);
  uint32_t ignored;
  if (!decode_trailer(load64(trailer), seed_, first + segments_[first].run_length - 1, &ignored)) return false;
  if (MMCB_BUG(kTrailerKept)) return false;
  store64(trailer, 0);
  MMCB_STEP(kTrailerVoided);
  return true;
}

void Segments::free_run(uint32_t first) {
  const uint32_t length = segments_[first].run_length;
  for (uint32_t i = first; i < first + length; i++) {
    segments_[i] = Segment{};
    segments_[i].behind = i - first;
    free_.insert(i);
  }
}

bool Segments::release_ended(uint64_t durable_epoch, uint64_t oldest_snapshot) {
  if (ended_count_ == 0) return false;
  bool waits_for_readers = false;
  for (uint32_t i = 0; i < count(); i++) {
    const Segment& s = segments_[i];
    if (s.state != Segment::State::kEnded) continue;
    if (s.end_epoch > durable_epoch && !MMCB_BUG(kReuseSegmentEarly)) continue;
    if (s.end_epoch > oldest_snapshot && !MMCB_BUG(kSnapshotIgnored)) continue;
    if (!MMCB_BUG(kPinsIgnored) && !pins_.is_reclaimable(s.ticket)) {
      waits_for_readers = true;
      continue;
    }
    ended_count_ -= s.run_length;
    free_run(i);
  }
  return waits_for_readers;
}

uint32_t Segments::needed_count() const {
  uint32_t n = count();
  while (n > 0 && segments_[n - 1].state == Segment::State::kFree) n--;
  return n;
}

uint32_t Segments::could_trim_to(uint32_t floor, bool keep_reserve) const {
  const uint32_t used = count() - static_cast<uint32_t>(free_.size());
  const uint32_t reserve = keep_reserve ? std::max<uint32_t>(1, std::min(reserve_size(), used / kGrowthShare)) : 0;
  return std::max(floor, needed_count() + reserve);
}

Status Segments::trim(uint32_t floor, bool keep_reserve) {
  const uint32_t used = count() - static_cast<uint32_t>(free_.size());
  const uint32_t target = could_trim_to(floor, keep_reserve);
  if (target < count()) {
    for (uint32_t i = target; i < count(); i++) free_.erase(i);
    segments_.resize(target);
    MMCB_TRY(volume_.shrink(file_bytes()));
  }
  // Holes from the back, so that the segments taken next (the lowest) still have their blocks.
  uint32_t kept = 0;
  const uint32_t keep = std::max<uint32_t>(4, used / 8);
  for (uint32_t i = free_.next(0); i != kNone; i = free_.next(uint64_t{i} + 1)) {
    if (segments_[i].hollow || kept++ < keep) continue;
    MMCB_TRY(volume_.punch(offset_of(i), segment_size_));
    segments_[i].hollow = true;
  }
  return Status();
}

// ---- Recovery -----------------------------------------------------------------------------------------------------------------

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
  s.hollow = true;  // a copy may have holes where nothing is stored yet
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

bool Segments::void_unused_trailers() {
  bool stored = false;
  for (uint32_t i = 0; i < count(); i++) {
    const Segment::State state = segments_[i].state;
    if (state != Segment::State::kFree && state != Segment::State::kEnded) continue;
    if (!volume_.file().is_untouchable_hole(offset_of(i)) && void_trailer(i)) stored = true;
  }
  return stored;
}

void Segments::rebuild_finish() {
  for (uint32_t i = 0; i < count(); i++) {
    Segment& s = segments_[i];
    if (s.state == Segment::State::kFree) {
      s.hollow = true;  // not known: asking for blocks that are there is cheap, and granted on a full disk, too
      free_.insert(i);
    } else if (s.state == Segment::State::kSealed && s.run_length == 1 && !s.damaged &&
               room_of(i) > segment_size_ / 16) {
      partial_.push_back(i);
    }
  }
}

}  // namespace mmcb
