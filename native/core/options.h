// What a store can be told, and what it tells: plain values, no behaviour.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/format.h"

namespace mmcb {

enum class Durability : uint8_t {
  kProcess,   // calls survive the process; durable versions are overwritten in place
  kInterval,  // and a power cut returns the file exactly to its last sync point
};

enum class CompactionPolicy : uint8_t { kDisabled, kSpace, kTime };

enum class RecoveryMode : uint8_t {
  kStrict,   // the exact state of a sync point (or of the last call, after a kill), or kCorrupt
  kSalvage,  // everything that is whole, with a report of what is not
};

struct Options {
  uint64_t initial_size = 4 << 20;              // bytes of file to start with
  uint32_t segment_size = kDefaultSegmentSize;  // for a new file
  uint32_t journal_size = kDefaultJournalSize;  // for a new file
  double extension_factor = 1.3;                // at least 1
  Durability durability = Durability::kInterval;
  uint64_t sync_interval_ms = 1000;
  uint64_t max_size = 0;  // bytes of file; 0: no limit
  bool read_only = false;
  RecoveryMode recovery = RecoveryMode::kStrict;
  CompactionPolicy compaction = CompactionPolicy::kDisabled;
  double deletion_threshold = 0.4;   // kSpace: compact when garbage is at least this share of the used bytes ...
  double required_free_space = 0.3;  // ... and less than this share of the file is free
  uint64_t compaction_interval_ms = 1000;
  uint64_t address_space = 0;  // bytes to reserve; 0: as much as is sensible
  // Entries from which on closing saves the tables, and opening takes those that it finds. With fewer, a scan takes no longer
  // than anybody notices, and it sees more.
  uint64_t saved_tables_from = 1'000'000;
  static constexpr uint64_t kNoSavedTables = ~0ull;  // neither saves nor takes them
};

enum class RecoveryStatus : uint8_t { kCreated, kClean, kReplayed, kRolledBack, kSalvaged };

// What was found damaged. Names as in docs/recovery.md.
enum class DamageKind : uint8_t {
  kSuperblock,
  kSegmentHeader,  // header or trailer
  kSegmentMark,
  kEntryHeader,  // an entry whose header cannot be read: all that is known is where it was
  kEntryData,    // an entry whose header can be read and whose checksum does not hold
  kEntryMark,    // a whole entry of which it is not known whether it was live
};

struct Damage {
  DamageKind kind = DamageKind::kSuperblock;
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: not known
  // Of entries, as far as they can be read: but for kEntryMark nothing vouches for these.
  bool has_entry = false;
  uint64_t address = ~0ull;
  Kind entry_kind = Kind::kPlain;
  bool has_key = false;  // false also where too many keys were lost to remember
  std::string key;
};

struct RecoveryReport {
  RecoveryStatus status = RecoveryStatus::kCreated;
  uint64_t entries = 0;      // live after opening
  uint64_t lost = 0;         // counted by the durable state, not found whole
  uint64_t quarantined = 0;  // damaged places, of which `damage` lists the first
  uint64_t discarded = 0;    // versions newer than the durable epoch, dropped
  uint64_t durable_epoch = 0;
  double milliseconds = 0;
  std::vector<Damage> damage;  // at most kMaxDamage, with keys of at most kMaxKeyBytes in all
  DamageMarker marker;         // what the file remembers, this opening included

  static constexpr size_t kMaxDamage = 1000;
  static constexpr size_t kMaxKeyBytes = 1 << 20;
};

struct Stats {
  uint64_t count = 0;
  uint64_t int_count = 0;
  uint64_t string_count = 0;
  uint64_t removed_count = 0;  // dead versions still in the file
  uint64_t data_size = 0;      // bytes of data of live entries
  uint64_t entry_size = 0;     // the same with headers, keys, marks and slack
  // The four things that a byte of the file can be; they add up to file_size.
  uint64_t live_bytes = 0;     // data, keys, headers and marks of live entries; the head; segment headers
  uint64_t slack_bytes = 0;    // room that live entries keep for growing
  uint64_t garbage_bytes = 0;  // dead versions and what padding lies between
  uint64_t free_bytes = 0;     // never used, or ready for use
  uint64_t file_size = 0;
  uint32_t segment_size = 0;
  uint64_t segments = 0;
  uint64_t adds = 0;
  uint64_t updates = 0;
  uint64_t removes = 0;
  uint64_t updates_in_place = 0;
  uint64_t relocations = 0;
  uint64_t compactions = 0;
  uint64_t compacted_entries = 0;
  uint64_t syncs = 0;
  uint64_t failed_syncs = 0;
  uint64_t open_epoch = 0;
  uint64_t durable_epoch = 0;
  uint64_t table_memory = 0;  // bytes of memory for slot table and indexes
  bool damaged = false;       // the damage marker is set
};

struct CompactionReport {
  uint64_t moved_entries = 0;
  uint64_t moved_bytes = 0;
  uint64_t freed_segments = 0;
  uint64_t size_before = 0;
  uint64_t size_after = 0;
  double milliseconds = 0;
};

struct VerifyError {
  std::string message;
  uint64_t offset = 0;
  uint64_t address = ~0ull;  // ~0: not known
  Kind entry_kind = Kind::kPlain;
  bool has_key = false;
  std::string key;
};

struct VerifyOptions {
  bool acknowledge = false;  // clear the damage marker, if nothing is wrong
};

struct VerifyReport {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t error_count = 0;
  std::vector<VerifyError> errors;  // the first of them, as many as a RecoveryReport lists
  DamageMarker marker;              // afterwards
  double milliseconds = 0;
};

// Told of long work as it goes, and asked whether to go on: false makes the work stop with kAborted.
// Called on the thread that does the work.
using Progress = std::function<bool(const char* phase, uint64_t done, uint64_t total)>;

}  // namespace mmcb
