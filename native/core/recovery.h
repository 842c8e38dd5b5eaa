// Recovery: from the bytes of a file to an open engine. Scan, plan, apply.
//
// The scan reads a private mapping and writes nothing; it fills the engine's tables with the live set under one of two
// readings of the file:
//   newest   every whole entry counts, newest version first: right when the page cache survived (the process was killed)
//   as of E  what was written or ended after the durable epoch E does not count: right after a power cut
// Which reading is right is not guessed: the digest of the live set that comes out must be the one that was written down.
// The boot id only says which reading is worth trying. The plan lists the stores that make the file say what was decided;
// apply does them, idempotently, and a sync point seals it. A crash anywhere in between finds E unchanged.
//
// Thread safety: used by one thread, before the engine is shared.
#pragma once

#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "core/walk.h"

namespace mmcb {

class Recovery {
 public:
  // `file_size` as found. The engine has its volume attached and nothing else.
  Recovery(Engine& engine, uint64_t file_size, const Progress& progress)
      : engine_(engine), file_size_(file_size), progress_(progress) {}

  // kNotMmcb, kVersion, kCorrupt, kAborted, kNoMemory: the file is untouched.
  Status run();

 private:
  enum class Reading : uint8_t { kNewest, kAsOfDurable };

  struct MarkStore {
    uint64_t offset;
    uint64_t word;
  };
  // Stores that make the file say what the scan decided.
  struct Plan {
    std::vector<uint64_t> void_entries;   // checksums to zero: written after E
    std::vector<uint64_t> void_segments;  // headers to zero: taken into use after E
    std::vector<MarkStore> revived;       // marks to set back to live: ended after E
    std::vector<uint64_t> superseded;     // entries to end: an older version that was still unmarked
  };

  Status read_superblock();
  Status prepare(uint64_t length);
  // Tries the readings in order of trust.
  Status decide();
  Status keep_pages(uint64_t length);
  Status scan(Reading reading);
  Status scan_segment(uint32_t index, const SegmentHeader& header, const Mark& mark, uint64_t limit);
  bool settle_run(uint32_t first, const SegmentHeader& run);
  void find_torn(uint32_t index, const WalkEnd& end);
  Status take_live(uint32_t segment, const WalkedEntry& entry);
  void note_epoch(uint64_t epoch);
  void note_damage(uint64_t offset);
  bool matches_durable() const;
  bool matches_running() const;
  std::string mismatch() const;
  Status apply();
  void scrub();

  Engine& engine_;
  const uint64_t file_size_;
  const Progress& progress_;
  Superblock superblock_;
  bool other_superblock_damaged_ = false;
  WalkContext context_;
  uint64_t slot_limit_ = 0;  // no entry can have a slot at or above: a forged one would ask for gigabytes of table
  Plan plan_;
  uint64_t digest_ = 0;
  uint64_t count_ = 0;
  uint64_t highest_epoch_ = 0;
  uint64_t running_[2] = {0, 0};  // digest and next digest as the state page had them
  bool state_is_sound_ = false;   // the state page is there
  bool replay_journal_ = false;
  bool salvaging_ = false;  // no digest vouches for what the scan finds
};

}  // namespace mmcb
