// Verifier: everything that can be checked about an open file without knowing what ought to be in it: checksums and marks
// of every live entry, the digest and count of the live set, that tables and entries name each other in both directions,
// that no two entries or runs overlap, that the bytes add up, that superblocks, state page and journal say what they should.
// Reads and writes go on meanwhile; what is checked is a snapshot, and tables as of a moment each.
//
// Thread safety: one call per Verifier; the engine's other calls go on. The write lock is taken for short pieces of work.
#pragma once

#include <string>
#include <vector>

#include "core/engine.h"
#include "core/walk.h"

namespace mmcb {

class Verifier final : private WalkInterrupt {
 public:
  explicit Verifier(Engine& engine) : engine_(engine) {}

  // Fills the report; damage is in its errors, not in the status. kAborted when progress says so.
  // Progress phases: "verify", then "tables".
  Status run(const Progress& progress, VerifyReport* report);

 private:
  // Throws std::bad_alloc.
  Status check();
  // verify.cc: the entries
  Status walk(const Engine::Snapshot& snapshot);
  void walk_segment(const Engine::Snapshot& snapshot, const SegmentExtent& extent);
  void check_entry(const Engine::Snapshot& snapshot, const WalkedEntry& entry);
  void check_reachable(const WalkedEntry& entry);
  void check_accounting(const Engine::Snapshot& snapshot, const SegmentExtent& extent, const Segment& before);

  // verify_tables.cc: slot table and key indexes, against the entries
  Status check_slots();
  Status check_keys(Kind kind);
  void check_slot(uint32_t slot);
  void check_cell(Kind kind, uint64_t word, uint64_t offset);
  Status check_order();
  void check_counts(const Engine::Snapshot& snapshot);

  // verify_space.cc: head and segments
  void check_head();
  void check_superblocks();
  void check_space();
  void check_segment(uint32_t segment);

  bool go_on() override;
  void error(std::string message, uint64_t offset) { error(std::move(message), offset, nullptr); }
  // `entry`: whose address and key to name; its key is taken from the file where it lies whole in its run.
  void error(std::string message, uint64_t offset, const EntryHeader* entry);

  Engine& engine_;
  WalkContext context_;
  VerifyReport* report_ = nullptr;
  const Progress* progress_ = nullptr;
  const char* phase_ = "verify";
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  bool aborted_ = false;

  uint64_t digest_ = 0;
  uint64_t count_ = 0;
  uint64_t count_by_kind_[3] = {0, 0, 0};
  uint64_t key_bytes_ = 0;
  std::vector<bool> not_whole_;      // by segment: holds bytes between entries that are none
  std::vector<uint64_t> first_gap_;  // where, of the first of these segments: for the message
  // Of the segment under way.
  uint64_t segment_entries_ = 0;
  uint64_t segment_live_bytes_ = 0;
  uint64_t segment_slack_bytes_ = 0;
  bool segment_changed_ = false;
};

}  // namespace mmcb
