// Recovery: from the bytes of a file to an open engine. Scan, decide, apply.
//
// The scan reads a private mapping and writes nothing; it fills the engine's tables with the live set under one of two
// readings of the file:
//   newest   every whole entry counts, newest version first: right when the page cache survived (the process was killed)
//   as of E  what was written or ended after the durable epoch E does not count: right after a power cut
// Which reading is right is not guessed: the digest of the live set that comes out must be the one that was written down.
// The boot id only says which reading is worth trying. Where damage leaves something open (whether an entry without a mark
// was live, what stands behind a lost segment header) the same decides: a reading is tried once more with the benefit of
// the doubt. A superblock that was stored along with its data (kFlagUnconfirmed) gives way to the one before, after a power
// cut, if its digest does not agree, or anything newer than that one is not whole. Apply makes the file say what was decided, idempotently, and a sync point seals it. A crash anywhere in
// between finds E unchanged.
//
// Memory: the tables, one bit for each segment, and a report of bounded length. No list grows with the number of entries:
// apply walks the segments that need it once more.
//
// Thread safety: used by one thread, before the engine is shared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/saved_tables.h"
#include "core/walk.h"
#include "core/walk_ahead.h"

namespace mmcb {

class Recovery final : private WalkInterrupt {
 public:
  // `file_size` as found. The engine has its volume attached and nothing else.
  Recovery(Engine& engine, uint64_t file_size, const Progress& progress)
      : engine_(engine), file_size_(file_size), progress_(progress), saved_tables_(engine) {}

  // kNotMmcb, kVersion, kCorrupt, kAborted, kNoMemory: the file is untouched.
  Status run();

 private:
  enum class Reading : uint8_t { kNewest, kAsOfDurable };
  // How a scan treats what damage leaves open.
  enum class Doubt : uint8_t {
    kExclude,  // entries without a mark are not live, segments without a header are free
    kInclude,  // both are taken as if nothing had happened to them: right, if the digest says so
    kSalvage,  // segments without a header are read, entries without a mark are not live
  };

  // Entries that will be gone. The walk has to go on within them as the next one will, and they keep their place.
  struct Refused {
    uint64_t used = 0;
    uint32_t ordinals = 0;

    void add(const WalkedEntry& entry, uint64_t run_start) {
      used = std::max(used, entry.offset + entry.header.total_size() - run_start);
      ordinals = std::max(ordinals, entry.header.ordinal + 1u);
    }
    void keep_place(WalkEnd* end) const {
      end->used = std::max(end->used, used);
      end->ordinals = std::max(end->ordinals, ordinals);
    }
  };

  // recovery.cc: the decision
  Status read_superblock();
  // Takes a superblock as the one that counts.
  void use(const Superblock& superblock);
  // From an unconfirmed superblock, of whose data something is missing, to the one before.
  void go_back();
  bool is_too_short() const;
  bool is_same_boot() const;
  Status prepare(uint64_t length);
  Status decide();
  Status decide_unconfirmed(bool* agrees);
  // Takes the tables that closing has saved, where there are any; `*taken` is false where the scan has to say.
  Status take_saved_tables(bool* taken);
  Status keep_pages(uint64_t length);
  // Scans under a reading, where that leaves doubts a second time; says whether the outcome is the one written down.
  Status attempt(Reading reading, bool replay, bool* agrees);
  Status attempt_once(Reading reading, Doubt doubt, bool replay);
  bool was_process_mode() const { return (superblock_.flags & kFlagProcessMode) != 0; }
  bool matches_durable() const;
  bool matches_running() const;
  bool agrees_with(Reading reading) const;
  Status salvage(Reading reading, bool replay);
  std::string mismatch() const;

  // recovery_scan.cc: what is in the file
  Status scan(Reading reading);
  Status scan_segments(Reading reading);
  // Offers the helper what the scan will come to soon.
  void offer_segments(uint32_t from);
  // The header of the segment at `index`, made again from its trailer where the header itself is lost. False: it was never
  // written, was made void on purpose, or the trailer is lost as well. Where the trailer of a run is, its one entry says; if
  // that is lost too, a salvage looks at the end of every run that could start here.
  // Epoch of birth and mark are not known: both come out as if it had always been in use.
  bool rebuild_segment(uint32_t index, SegmentHeader* header) const;
  Status scan_segment(uint32_t index, const SegmentHeader& header, const Mark& mark, bool rebuilt);
  // Walks a segment or run, and scans the entries in it.
  Status scan_run(uint32_t index, const SegmentHeader& header, WalkEnd* end, Refused* refused);

  // recovery_tables.cc: what the entries make of the tables
  // Entries that were walked, in their order. The cache misses that they cost are overlapped.
  Status scan_entries(uint32_t index, uint64_t run_end, std::span<const KeyedEntry> entries);
  Status scan_entry(uint32_t index, uint64_t run_end, const KeyedEntry& keyed);
  bool settle_run(uint32_t first, const SegmentHeader& run);
  Status take_live(uint32_t segment, const KeyedEntry& keyed);
  Key key_of(const WalkedEntry& entry) const {
    return {entry.header.kind, {entry.bytes(context_.base) + EntryHeader::kSize, entry.header.key_size}};
  }
  // Tells the indexes how many keys are to come, judging by the entries so far.
  void expect_keys();
  void drop_live(const EntryHeader& header, uint64_t offset);
  // Calls `found(offset)` for each header of an entry newer than what is confirmed behind the last whole entry of a segment.
  template <typename Found>
  void find_torn(uint32_t index, uint64_t used, uint32_t ordinals, Found&& found) const;
  bool report_progress(uint64_t done, uint64_t total);
  bool go_on() override;
  void note_epoch(uint64_t epoch);
  void needs_apply(uint32_t segment) { to_apply_[segment] = true; }

  // recovery_damage.cc: what is wrong with it
  void note_damage(Damage damage);
  // Sets the address and the key of an entry, of which only the bytes before `limit` may be looked at.
  void describe(const EntryHeader& header, uint64_t offset, uint64_t limit, Damage* damage);
  // Looks for what once stood between whole entries, or behind the last one (`tail`): entries that are not whole.
  void examine(uint32_t index, const SegmentHeader& header, const WalkGap& gap, bool tail);
  void examine_tail(uint32_t index, const SegmentHeader& header, const WalkEnd& end);

  // recovery_apply.cc: making the file say so
  Status apply();
  void apply_to_segment(uint32_t index);
  void void_header(uint32_t index);
  // Where the header was lost: writes it again.
  void store_header(const SegmentHeader& header);
  // A run reaches over no trailer of one of its segments: behind its data, one would speak for the segment once the run is
  // free, or for the run, should its own be lost.
  void void_inner_trailers(uint32_t first, const SegmentHeader& run, uint64_t data_end);
  void apply_to_entry(uint32_t index, uint64_t run_end, const WalkedEntry& entry);
  void remember_damage();

  Engine& engine_;
  const uint64_t file_size_;
  const Progress& progress_;
  Superblock superblock_;
  SavedTables saved_tables_;
  bool has_saved_tables_ = false;
  bool other_superblock_damaged_ = false;
  bool other_superblock_refused_ = false;  // unconfirmed, or unfinished: a newer one that does not count
  Superblock previous_;                    // the one before an unconfirmed one
  bool has_previous_ = false;
  uint64_t confirmed_epoch_ = 0;  // everything up to it was on the disk; E, if its superblock is confirmed
  uint64_t refused_epoch_ = 0;    // that of a newer superblock that does not count; 0: there is none
  WalkContext context_;
  uint64_t slot_limit_ = 0;  // no entry can have a slot at or above: a forged one would ask for gigabytes of table

  // Of the scan under way, or the last one.
  Doubt doubt_ = Doubt::kExclude;
  uint64_t limit_ = 0;              // epochs above do not count
  bool power_was_lost_ = false;     // what is newer than E and not whole is no damage
  bool trailers_count_ = true;      // a segment whose header is lost is read by its trailer
  uint64_t doubts_ = 0;             // places where kInclude would have gone another way
  std::vector<KeyedEntry> walked_;  // and not scanned yet; a block at a time
  WalkAhead* ahead_ = nullptr;      // null: there is no helper
  uint32_t next_offer_ = 0;         // the first segment that the helper has not been offered, or not been trusted with
  std::vector<bool> to_apply_;      // by segment: apply has something to store there
  uint64_t digest_ = 0;
  uint64_t count_ = 0;
  uint64_t highest_epoch_ = 0;
  uint64_t running_[2] = {0, 0};  // digest and next digest as the state page had them
  bool state_is_sound_ = false;   // the state page is there
  bool replay_journal_ = false;
  // Entries that are not whole: damage if something is missing in the end, and else remains of calls cut short.
  std::vector<Damage> suspects_;
  uint64_t suspect_count_ = 0;
  uint64_t key_bytes_ = 0;

  unsigned scans_ = 0;
  uint64_t progress_done_ = 0;
  uint64_t progress_total_ = 0;
  bool aborted_ = false;
};

template <typename Found>
void Recovery::find_torn(uint32_t index, uint64_t used, uint32_t ordinals, Found&& found) const {
  const uint64_t start = context_.head + static_cast<uint64_t>(index) * context_.segment_size;
  const uint64_t run_end = start + context_.segment_size;
  const uint64_t limit = mark_offset(run_end, ordinals);
  for (uint64_t at = entry_start(start + used); at + EntryHeader::kSize <= limit; at = entry_start(at + 8)) {
    if (load32(context_.base + at) == 0) continue;
    const EntryHeader h = decode_entry_header(context_.base + at);
    if (h.epoch <= confirmed_epoch_ || h.ordinal < ordinals || h.data_size > h.capacity) continue;
    const uint64_t behind = mark_offset(run_end, h.ordinal);
    if (behind > at && h.total_size() <= behind - at) found(at);
  }
}

}  // namespace mmcb
