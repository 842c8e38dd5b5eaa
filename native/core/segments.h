// Segments: what each segment of the file is used for, where the next entry goes, and when space can be used again.
//
// States:  kFree -> kActive (entries are appended) -> kSealed -> kEnded (emptied; waits for its epoch to be durable, for
// snapshots and for readers) -> kFree. A sealed segment with room left can become active again. An entry wider than a
// segment takes a run: the first segment speaks for all, the others are kTail.
//
// Invariant (never reuse early): a segment leaves kEnded only when no state that could still be returned to needs it: its
// end epoch is durable (or durability is 'process'), no open snapshot is older, and no reader that could have found an
// entry in it is still pinned.
//
// Thread safety: serialised by the engine's write lock; offset arithmetic from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/chunked_array.h"
#include "core/format.h"
#include "core/platform/platform.h"
#include "core/reader_pins.h"
#include "core/region.h"
#include "core/segment_set.h"
#include "core/status.h"
#include "core/volume.h"

namespace mmcb {

struct Segment {
  enum class State : uint8_t { kFree, kActive, kSealed, kEnded, kTail };
  // Those of its hole unit. Unless it has them, they are asked for before it is taken, or appended to.
  enum class Blocks : uint8_t { kAllocated, kUnknown, kPunched };
  State state = State::kFree;
  Blocks blocks = Blocks::kAllocated;
  bool refused = false;  // free and hollow, and the disk had no blocks for it when it was last asked
  bool faulted = false;  // free, and its pages were brought in
  bool damaged = false;  // holds quarantined bytes: neither compacted nor appended to
  bool victim = false;   // being compacted: not to be appended to
  uint8_t trims = 0;     // free: how many trims have passed it over
  uint32_t behind = 0;   // free: how far before it the run began that it was freed with; that header may speak for it
  uint32_t incarnation = 0;
  uint32_t run_length = 1;
  uint32_t ordinals = 0;  // entries ever appended in this incarnation
  uint32_t live_entries = 0;
  uint64_t used = 0;        // bytes from the start up to where the next entry may go
  uint64_t live_bytes = 0;  // header, key, data and mark of its live entries
  uint64_t slack_bytes = 0;
  uint64_t end_epoch = 0;  // kEnded
  uint64_t ticket = 0;     // kEnded: see ReaderPins

  bool is_hollow() const { return blocks != Blocks::kAllocated; }
};

// Where an entry is to be written.
struct Place {
  uint64_t offset = 0;
  uint64_t mark = 0;  // offset of its mark
  uint32_t segment = 0;
  uint32_t incarnation = 0;
  uint16_t ordinal = 0;
};

// A run and how much of it holds entries, as noted by a snapshot.
struct SegmentExtent {
  uint32_t segment = 0;
  uint32_t run_length = 1;
  uint32_t incarnation = 0;
  uint64_t used = 0;
};

enum class Stream : uint8_t {
  kFresh,  // new versions
  kLarge,  // new versions of more than an eighth of a segment, so that they do not cut the others' segments short
  kCold,   // what compaction moves
  // New versions that take the place of others, where there is no space for new entries any more. They go where compaction
  // writes: each with room of its own, there would not be enough for both.
  kUpdates,
};
inline constexpr size_t kStreams = 3;

class Segments {
 public:
  Segments(Volume& volume, Platform& platform, ReaderPins& pins)
      : volume_(volume), platform_(platform), pins_(pins), incarnations_(platform) {}

  // `max_size` 0: no limit. Call once, with what the superblock says.
  Status initialize(uint32_t segment_size, uint64_t head, uint32_t seed, uint64_t max_size);

  uint32_t segment_size() const { return segment_size_; }
  uint64_t head() const { return head_; }
  uint32_t seed() const { return seed_; }
  uint32_t count() const { return static_cast<uint32_t>(segments_.size()); }
  uint64_t offset_of(uint32_t segment) const { return head_ + (static_cast<uint64_t>(segment) << log2_segment_size_); }
  // Precondition: offset >= head().
  uint32_t index_of(uint64_t offset) const { return static_cast<uint32_t>((offset - head_) >> log2_segment_size_); }
  // The incarnation of a segment, lock-free, for readers. Precondition: offset lies in a segment.
  uint32_t incarnation_at(uint64_t offset) const {
    const auto* table = reinterpret_cast<const std::atomic<uint32_t>*>(incarnations_.data());
    return table[index_of(offset)].load(std::memory_order_acquire);
  }
  uint64_t end_of(uint32_t segment) const { return offset_of(segment + segments_[segment].run_length); }
  Segment& at(uint32_t segment) { return segments_[segment]; }
  const Segment& at(uint32_t segment) const { return segments_[segment]; }

  // Called when a writer (not compaction) takes a segment, under the write lock.
  using Observer = std::function<void()>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // Grows the file ahead of need, if little of it is free. kNoSpace matters to nobody yet.
  Status grow_ahead();
  // Bytes of file beyond which it grows by what is needed and no more.
  void set_growth_bound(uint64_t bytes) { growth_bound_ = bytes; }

  // Finds a place in the segment that is being filled: where there is none, or it is not for entries of this size, false.
  bool place_in_active(Stream stream, uint64_t total_size, Place* place) {
    const uint32_t active = active_of(stream);
    return !is_large(total_size) && active != kNone && place_in(active, total_size, place);
  }
  // Goes into segments with its like: Stream::kLarge.
  bool is_large(uint64_t total_size) const { return total_size > segment_size_ / 8; }
  // Finds a place for an entry of `total_size` bytes, taking or adding segments as needed. kNoSpace, kFull, kNoMemory.
  Status allocate(Stream stream, uint64_t total_size, uint64_t epoch, Place* place);
  // Grows the file to hold at least `bytes` in all.
  Status reserve_file(uint64_t bytes);

  // Accounting of live entries.
  void add_live(uint32_t segment, const EntryHeader& header);
  void remove_live(uint32_t segment, const EntryHeader& header);
  void change_live(uint32_t segment, const EntryHeader& from, const EntryHeader& to);

  // A segment that was filled up since the last call, or kNone.
  static constexpr uint32_t kNone = SegmentSet::kNone;
  uint32_t take_filled();
  // Stops appending to a segment (its state becomes kSealed). For compaction victims.
  void seal(uint32_t segment);
  // The store that ends a segment: where, and which word. For a journal that ends many at once.
  void end_store(uint32_t segment, uint64_t epoch, uint64_t* offset, uint64_t* word) const;
  // Ends an emptied segment: stores its mark, unless `marked` already, and puts it on hold.
  void end(uint32_t segment, uint64_t epoch, bool marked = false);
  // Frees ended segments that nothing needs any more: end epoch <= durable and < every open snapshot's ... see above.
  // `oldest_snapshot`: the lowest epoch of an open snapshot, or ~0.
  // True when some could be freed but for readers that are still pinned.
  bool release_ended(uint64_t durable_epoch, uint64_t oldest_snapshot);
  // Segments up to the last one in use: what a superblock has to count.
  uint32_t needed_count() const;
  // Gives free space back: truncates free segments at the end (not below `floor` segments) but for a reserve.
  Status trim(uint32_t floor, bool keep_reserve);
  // Goes on giving the blocks of free segments in the middle back, all but those of a reserve: one hole unit a call, since
  // the disk takes milliseconds for it. With a reserve, only what has been free over several trims: under steady updates
  // segments come and go, and a hole has to be filled again.
  struct HoleSearch {
    bool keep_reserve = false;
    uint32_t next = 0;
    uint32_t kept = 0;
    bool is_done = false;
  };
  Status punch_next(HoleSearch* search);
  // The number of segments that trim() would leave.
  uint32_t could_trim_to(uint32_t floor, bool keep_reserve) const;

  // Recovery: sets what the file has, one call per segment or run, then finish_rebuild().
  Status rebuild_begin(uint32_t count);
  void rebuild_used(uint32_t segment, const SegmentHeader& header, uint64_t used, uint32_t ordinals);
  void rebuild_ended(uint32_t segment, const SegmentHeader& header, uint64_t end_epoch);
  // What is not in use any more, but whose header may stand for other free segments, too.
  void rebuild_freed(uint32_t segment, const SegmentHeader& header);
  void rebuild_finish();
  // Or, from saved tables, each segment as it was, then rebuild_finish(). Precondition of the first: none is being written to.
  static constexpr size_t kSavedSegment = 64;
  void save_segment(uint32_t segment, std::byte* target) const;
  // False, with nothing restored, where what was saved cannot be this segment.
  bool restore_segment(uint32_t segment, const std::byte* saved);
  // Voids the trailers of all that is free or has ended, which a crash may have left.
  void void_unused_trailers();

  // Totals over all segments, for stats() and policies.
  struct Totals {
    uint64_t live_bytes = 0;
    uint64_t slack_bytes = 0;
    uint64_t garbage_bytes = 0;
    uint64_t free_bytes = 0;
    uint64_t ordinals = 0;
  };
  Totals totals() const;
  // Dead bytes in one segment (not free): what compacting it would gain beyond its tail.
  uint64_t garbage_of(uint32_t segment) const;
  // Slack in one segment beyond what its entries would get if they were written now.
  uint64_t excess_slack_of(uint32_t segment, double extension_factor) const;
  // Of the `most` free segments that will be taken next, those whose pages were not brought in yet.
  std::vector<uint32_t> next_unfaulted(uint32_t most) const;
  // Brings the place of the marks of a segment in, or of the run that ends with it, in small folios: before anything else
  // is, in large ones. From any thread, without the lock: where nothing can be brought in (any more), nothing is.
  void prepare_marks(uint32_t last);
  // Its marks are prepared: whoever takes it need not do it. Nothing where it was taken or given back meanwhile.
  void note_faulted(uint32_t segment);
  uint32_t free_segments() const { return static_cast<uint32_t>(free_.size()); }
  // Free segments that are not for new entries: one is compaction's and, in a file that is worth it, one for updates.
  uint32_t spare_segments() const;
  uint64_t file_bytes() const { return head_ + static_cast<uint64_t>(segments_.size()) * segment_size_; }
  uint64_t live_and_slack() const { return live_and_slack_; }
  // Headers, keys, data and marks of live entries: O(1).
  uint64_t live_bytes() const { return live_bytes_; }

  static uint64_t footprint(const EntryHeader& h) { return h.used_size() + sizeof(uint64_t); }
  static uint64_t slack_of(const EntryHeader& h) { return h.total_size() + 8 - footprint(h); }

 private:
  uint32_t& active_of(Stream stream) {
    return active_[static_cast<size_t>(stream == Stream::kUpdates ? Stream::kCold : stream)];
  }
  bool place_in(uint32_t segment, uint64_t total_size, Place* place);
  Status open_segment(Stream stream, uint64_t epoch);
  uint32_t find_run(uint32_t length, bool refused_too) const;
  Status fill_holes(uint32_t first, uint32_t length);
  // The segments [first, end) of the hole unit that a segment lies in, as far as the file has them.
  struct Unit {
    uint32_t first = 0;
    uint32_t end = 0;
  };
  Unit unit_of(uint32_t segment) const;
  bool could_punch(const Unit& unit, bool only_idle) const;
  Status keep_spare(Stream stream, uint32_t length);
  // Free segments that have their blocks: all, or `most`.
  uint32_t count_sound(uint32_t most) const;
  Status take_run(uint32_t length, uint64_t epoch, uint32_t* first);
  Status grow(uint32_t segments);
  uint32_t reserve_size() const;
  void write_header(uint32_t segment, uint32_t run_length, uint64_t epoch);
  void void_trailer(uint32_t first);
  void free_run(uint32_t first);
  // kIo, and the file is given up, where the first `count` segments do not end any more as they should.
  Status check_end(uint32_t count) const;
  // Grows file and tables by so many segments, or changes nothing.
  Status add_segments(uint64_t number);
  // Makes room in memory for `count` segments in all, so that nothing later has to allocate for them.
  Status reserve_tables(uint64_t count);
  void set_incarnation(uint32_t segment, uint32_t incarnation);
  uint64_t room_of(uint32_t segment) const;

  Volume& volume_;
  Platform& platform_;
  ReaderPins& pins_;
  Region incarnations_;        // one 32-bit word a segment
  uint32_t segment_size_ = 0;  // a power of two
  unsigned log2_segment_size_ = 0;
  uint64_t head_ = 0;
  uint64_t hole_unit_ = 0;  // bytes: of the file system, or a segment if that is larger
  uint32_t seed_ = 0;
  uint64_t max_size_ = 0;
  ChunkedArray<Segment> segments_;  // references stay valid while the file grows
  SegmentSet free_;
  SegmentSet filled_;
  std::vector<uint32_t> partial_;  // sealed ones with room worth filling; as many as there is capacity for
  std::array<uint32_t, kStreams> active_{kNone, kNone, kNone};
  uint64_t live_and_slack_ = 0;
  uint64_t live_bytes_ = 0;
  uint64_t ended_count_ = 0;
  Observer observer_;
  uint64_t growth_bound_ = ~0ull;
};

}  // namespace mmcb
