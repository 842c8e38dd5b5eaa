// Verifier: the head of the file, and what each segment is used for.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/journal.h"
#include "core/stores.h"
#include "core/verify.h"

namespace mmcb {
namespace {

// Segments looked at under the lock at a time.
constexpr uint32_t kSegmentsAtATime = 256;

// A superblock may be being written while it is read: damage is what is seen twice, unchanged.
SuperblockVerdict steady_verdict(const std::byte* at, Superblock* found) {
  std::byte bytes[2][Superblock::kSize];
  copy_out(bytes[0], at, sizeof bytes[0]);
  for (unsigned turn = 1;; turn++) {
    const std::byte* latest = bytes[(turn - 1) & 1];
    const SuperblockVerdict verdict = decode(latest, found);
    if (verdict == SuperblockVerdict::kValid || verdict == SuperblockVerdict::kUnfinished) return verdict;
    copy_out(bytes[turn & 1], at, sizeof bytes[0]);
    if (std::memcmp(bytes[0], bytes[1], sizeof bytes[0]) == 0) return verdict;
  }
}

}  // namespace

void Verifier::check_superblocks() {
  Engine& e = engine_;
  Superblock current;
  uint64_t current_at;
  {
    std::lock_guard guard(e.lock_);
    const Superblock& known = e.superblock_;
    current_at = kSuperblockOffset[known.sequence & 1];
    // Nobody writes to this place while the lock is held and the superblock is the newest.
    if (decode(e.volume_.at(current_at), &current) != SuperblockVerdict::kValid) {
      error("the superblock is damaged", current_at);
    } else if (current.sequence != known.sequence || current.file_id != known.file_id ||
               current.durable_epoch != known.durable_epoch || current.live_digest != known.live_digest ||
               current.live_count != known.live_count || current.segment_count != known.segment_count) {
      error("the superblock is not the one that was written", current_at);
    }
    current = known;
  }
  const uint64_t other_at = kSuperblockOffset[(current.sequence + 1) & 1];
  Superblock other;
  const SuperblockVerdict verdict = steady_verdict(engine_.volume_.at(other_at), &other);
  if (verdict == SuperblockVerdict::kUnfinished) return;
  // Nothing has been there before the second superblock.
  if (verdict == SuperblockVerdict::kForeign && current.sequence == 1) return;
  if (verdict != SuperblockVerdict::kValid) {
    // In a file opened to be read only, the report of opening it has said so, and nothing will have put it right.
    error("the other superblock is damaged", other_at);
  } else if (!is_predecessor(other, current) && !is_predecessor(current, other)) {
    error("the two superblocks do not belong together", other_at);
  }
}

// Between two changes, which is when the lock can be had, the head is at rest.
void Verifier::check_head() {
  Engine& e = engine_;
  std::lock_guard guard(e.lock_);
  const std::byte* base = e.volume_.at(0);
  if (Journal::is_armed(base)) error("the journal is armed, and no change is under way", kJournalOffset);
  if (load64(base + kStateDigest) != e.digest_ || load64(base + kStateDigestNext) != e.digest_) {
    error("the digest in the state page is not that of the live entries", kStateDigest);
  }
  if (load64(base + kStateFailed) == kFailedMark && !e.failed_.load(std::memory_order_relaxed))
    error("the state page says that a sync failed, and none did", kStateFailed);
}

void Verifier::check_space() {
  Engine& e = engine_;
  {
    std::lock_guard guard(e.lock_);
    const Segments::Totals t = e.segments_.totals();
    if (t.live_bytes + t.slack_bytes + t.garbage_bytes + t.free_bytes != e.segments_.file_bytes()) {
      error("live, slack, garbage and free bytes do not add up to the size of the file", 0);
    }
    uint32_t free = 0;
    for (uint32_t i = 0; i < e.segments_.count(); i++) free += e.segments_.at(i).state == Segment::State::kFree;
    if (free != e.segments_.free_segments()) error("the list of free segments is not complete", 0);
  }
  for (uint32_t first = 0;; first += kSegmentsAtATime) {
    std::lock_guard guard(e.lock_);
    if (first >= e.segments_.count()) break;
    const uint32_t end = std::min(first + kSegmentsAtATime, e.segments_.count());
    for (uint32_t i = first; i < end; i++) check_segment(i);
  }
}

// Under the lock.
void Verifier::check_segment(uint32_t segment) {
  Engine& e = engine_;
  const Segment& s = e.segments_.at(segment);
  const uint64_t start = e.segments_.offset_of(segment);
  const std::string name = "segment " + std::to_string(segment);
  const WalkContext context{e.volume_.at(0), e.seed_, e.segments_.segment_size(), e.segments_.head()};
  if (s.state == Segment::State::kTail) {
    if (segment == 0 || e.segments_.at(segment - 1).state == Segment::State::kFree)
      error(name + " belongs to a run that is not there", start);
    return;
  }
  if (s.state != Segment::State::kFree) {
    for (uint32_t i = 1; i < s.run_length; i++) {
      if (segment + i >= e.segments_.count() || e.segments_.at(segment + i).state != Segment::State::kTail)
        error("the run at " + name + " is overlapped by segment " + std::to_string(segment + i), start);
    }
    if (s.used > uint64_t{s.run_length} * context.segment_size) error(name + " is fuller than it can be", start);
  }
  if (s.state == Segment::State::kFree && e.volume_.file().is_untouchable_hole(start)) return;
  SegmentHeader header;
  Mark mark;
  const bool readable = read_segment(context, segment, e.segments_.count(), &header, &mark);
  if (s.state == Segment::State::kFree) {
    // It would come back to life at the next opening.
    if (readable && mark.valid && mark.end_epoch == 0)
      error(name + " is free, and its header says that it is in use", start);
    const uint64_t trailer = start + context.segment_size - kSegmentTrailerSize;
    if (!e.options_.read_only && !e.volume_.file().is_untouchable_hole(trailer) &&
        decode_trailer(load64(e.volume_.at(trailer)), context.seed, segment, &header.incarnation))
      error(name + " is free, and its trailer would speak for it", trailer);
  } else if (s.state == Segment::State::kEnded) {
    if (!readable || !mark.valid || mark.end_epoch != s.end_epoch)
      error(name + " has ended, and its mark does not say so", start + kSegmentMarkOffset);
  }
}

}  // namespace mmcb
