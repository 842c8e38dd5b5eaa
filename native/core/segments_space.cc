// Segments: where free space comes from, and when what was used becomes free again.
#include <algorithm>

#include "core/segments.h"
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
// Trims that a free segment outlives before it becomes a hole.
constexpr uint8_t kIdleTrims = 4;
// From this many segments on the last free one is compaction's, and from that many the one before it is for updates. A smaller
// file has not much to gain, nor one to spare.
constexpr uint32_t kSpareFrom = 8;
constexpr uint32_t kUpdateSpareFrom = 12;

}  // namespace

// ---- Taking --------------------------------------------------------------------------------------------------------------------

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

Segments::Unit Segments::unit_of(uint32_t segment) const {
  const uint64_t start = offset_of(segment) / hole_unit_ * hole_unit_;
  return {start < head_ ? 0 : index_of(start), std::min(index_of(start + hole_unit_), count())};
}

// Asks for the blocks of a run of free segments, and of all that shares a hole unit with them. On failure what is free in
// the unit at fault is noted as refused.
Status Segments::fill_holes(uint32_t first, uint32_t length) {
  for (uint32_t i = first; i < first + length; i++) {
    if (!segments_[i].is_hollow()) continue;
    const Unit unit = unit_of(i);
    const Status status = volume_.allocate(offset_of(unit.first), offset_of(unit.end) - offset_of(unit.first));
    for (uint32_t in_unit = unit.first; in_unit < unit.end; in_unit++) {
      Segment& s = segments_[in_unit];
      if (status.ok()) s.blocks = Segment::Blocks::kAllocated;
      s.refused = !status.ok() && s.state == Segment::State::kFree;
    }
    MMCB_TRY(status);
  }
  return Status();
}

uint32_t Segments::count_sound(uint32_t most) const {
  uint32_t sound = 0;
  for (uint32_t segment = free_.next(0); segment != kNone && sound < most;
       segment = free_.next(uint64_t{segment} + 1)) {
    if (!segments_[segment].is_hollow()) sound++;
  }
  return sound;
}

uint32_t Segments::spare_segments() const { return count() < kUpdateSpareFrom ? 1 : 2; }

// Makes sure that free segments are left for those who go before `stream` when it has taken `length`, and that they have their
// blocks. With none for compaction, a file that can not grow (full disk, maxSize) could not be compacted either, however much of
// it is garbage. With none for updates, which leave as much garbage as they take, it could not be worked with until somebody
// removes entries, and whoever has to note what he removes could not do that.
Status Segments::keep_spare(Stream stream, uint32_t length) {
  if (stream == Stream::kCold || count() < kSpareFrom) return Status();
  const uint32_t wanted = length + (stream == Stream::kUpdates ? 1 : spare_segments());
  uint32_t sound = count_sound(wanted);
  if (sound >= wanted) return Status();
  // Then holes: first those that may have their blocks after all, then those refused before, as long as there is space again.
  for (const bool refused : {false, true}) {
    for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
      const Segment& s = segments_[segment];
      if (!s.is_hollow() || s.refused != refused) continue;
      if (fill_holes(segment, 1).ok()) {
        sound = count_sound(wanted);
        if (sound >= wanted) return Status();
      } else if (refused) {
        break;
      }
    }
  }
  return grow(wanted - sound);
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
    if (max_size_ != 0) return Status(Code::kFull, "the file may not grow beyond maxSize");
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

std::vector<uint32_t> Segments::next_unfaulted(uint32_t most) const {
  std::vector<uint32_t> next;
  next.reserve(std::min<uint64_t>(most, free_.size()));
  uint32_t looked_at = 0;
  for (uint32_t segment = free_.next(0); segment != kNone; segment = free_.next(uint64_t{segment} + 1)) {
    if (looked_at++ == most) break;
    const Segment& s = segments_[segment];
    if (!s.faulted && !s.is_hollow()) next.push_back(segment);
  }
  return next;
}

void Segments::note_faulted(uint32_t segment) {
  if (segment >= count()) return;
  Segment& s = segments_[segment];
  if (s.state == Segment::State::kFree && !s.is_hollow()) s.faulted = true;
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

// ---- Growing -------------------------------------------------------------------------------------------------------------------

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
  for (uint32_t i = old; i < count(); i++) {
    if (i != 0 && unit_of(i).first < old) segments_[i].blocks = segments_[i - 1].blocks;
    free_.insert(i);
  }
  return check_end(old);
}

// A file that somebody cuts short at the very moment when its length is set here is as long as it should be afterwards, and what
// was cut off reads as zeros: also the last word of the last segment in use, which is never zero. (Of a damaged one it may be.)
Status Segments::check_end(uint32_t count) const {
  const auto holds_entries = [&](const Segment& s) {
    return s.live_entries != 0 && (s.state == Segment::State::kActive || s.state == Segment::State::kSealed);
  };
  uint32_t end = count;
  while (end > 0 && !holds_entries(segments_[end - 1])) end--;
  if (end == 0 || segments_[end - 1].damaged) return Status();
  if (load64(volume_.at(end_of(end - 1) - kSegmentTrailerSize)) != 0) return Status();
  volume_.file().give_up();
  return volume_.check();
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
void Segments::void_trailer(uint32_t first) {
  std::byte* const trailer = volume_.at(end_of(first) - kSegmentTrailerSize);
  uint32_t ignored;
  // What is no trailer may be data, in a segment that was part of a run.
  if (!decode_trailer(load64(trailer), seed_, first + segments_[first].run_length - 1, &ignored)) return;
  if (MMCB_BUG(kTrailerKept)) return;
  store64(trailer, 0);
  MMCB_STEP(kTrailerVoided);
}

void Segments::free_run(uint32_t first) {
  const uint32_t length = segments_[first].run_length;
  for (uint32_t i = first; i < first + length; i++) {
    const Segment::Blocks blocks = segments_[i].blocks;
    segments_[i] = Segment{};
    segments_[i].blocks = blocks;
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
  const uint32_t target = could_trim_to(floor, keep_reserve);
  if (target < count()) {
    for (uint32_t i = target; i < count(); i++) free_.erase(i);
    segments_.resize(target);
    MMCB_TRY(volume_.shrink(file_bytes()));
    MMCB_TRY(check_end(target));
  }
  for (uint32_t i = free_.next(0); i != kNone; i = free_.next(uint64_t{i} + 1)) {
    if (segments_[i].trims < kIdleTrims) segments_[i].trims++;
  }
  return Status();
}

bool Segments::could_punch(const Unit& unit, bool only_idle) const {
  if (offset_of(unit.end) - offset_of(unit.first) != hole_unit_) return false;
  for (uint32_t i = unit.first; i < unit.end; i++) {
    const Segment& s = segments_[i];
    if (s.state != Segment::State::kFree || (only_idle && s.trims < kIdleTrims)) return false;
  }
  return true;
}

Status Segments::punch_next(HoleSearch* search) {
  // Holes from the back, so that the segments taken next (the lowest) still have their blocks.
  const uint32_t keep = std::max<uint32_t>(4, (count() - static_cast<uint32_t>(free_.size())) / 8);
  for (uint32_t i = free_.next(search->next); i != kNone; i = free_.next(uint64_t{i} + 1)) {
    search->next = i + 1;
    if (segments_[i].blocks == Segment::Blocks::kPunched || search->kept++ < keep) continue;
    const Unit unit = unit_of(i);
    if (unit.first != i || !could_punch(unit, search->keep_reserve)) continue;
    // Before the call, which may fail half-way.
    for (uint32_t in_unit = unit.first; in_unit < unit.end; in_unit++) {
      segments_[in_unit].blocks = Segment::Blocks::kPunched;
      segments_[in_unit].faulted = false;
    }
    return volume_.punch(offset_of(unit.first), hole_unit_);
  }
  search->is_done = true;
  return Status();
}

}  // namespace mmcb
