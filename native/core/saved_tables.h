// SavedTables: what closing in order leaves behind the last segment, so that the next opening need not look at every entry:
// the slot table, the cells of the key indexes, and what is known of each segment.
//
// They are a copy of what a scan would find, and nothing depends on them. They are believed only where the superblock that
// counts is the clean one they were written after, and only with every checksum; else, or where they were never completed,
// the opening scans. An opening that may write cuts them off before its first sync point, and so before anything that they
// do not know of can be stored. docs/format.md has the layout.
//
// What a scan would notice besides, damage that came to the file after it was closed, is then met where it is read, by
// verify() and by backup(): each entry has its own checksum.
//
// Thread safety: none; used before the engine is shared, and after.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/engine.h"

namespace mmcb {

class SavedTables {
 public:
  explicit SavedTables(Engine& engine) : engine_(engine) {}

  // Nothing for few entries (Options::saved_tables_from), and for a file that is known to be damaged: the next opening is to
  // find that out again. Preconditions: the last sync point was made with `closing`, the file is trimmed, and nothing but
  // destroying the engine comes after this. Not synced: a power cut may take them. Whatever fails leaves the file without
  // them. O(entries).
  Status save();

  // Whether there are tables behind the segments that belong to this superblock, a clean one; of the first `file_size` bytes,
  // which are mapped. Nothing but the footer is looked at.
  bool find(uint64_t file_size, const Superblock& superblock);
  // Where the last segment ends and the tables begin. Precondition: find() was true.
  uint64_t start() const { return footer_.start; }
  // Fills the engine's tables, which are empty, on this thread and another one. `*loaded` is false where a checksum or a
  // number does not hold: the tables are then half full. kAborted, kNoMemory. Preconditions: find() was true, and what it
  // looked at is mapped.
  Status load(const Progress& progress, bool* loaded);
  uint64_t data_size() const { return directory_.data_size; }

 private:
  static constexpr uint64_t kMagic = 0x736c'6261'7462'6d6d;  // "mmbtabls"
  static constexpr unsigned kShards = KeyIndex::kShardCount;
  static constexpr uint32_t kSlotsPerPart = 32 << 10;
  static constexpr uint32_t kMostParts = 1 << 20;
  static constexpr size_t kCell = KeyIndex::kSavedCell;
  static constexpr size_t kSegment = Segments::kSavedSegment;

  // The last bytes of the file. Its checksum is seeded by the file.
  struct Footer {
    uint64_t magic = kMagic;
    uint64_t sequence = 0;  // of the superblock that they belong to
    uint64_t live_digest = 0;
    uint64_t live_count = 0;
    uint64_t start = 0;
    uint64_t directory = 0;  // its offset
    uint32_t parts = 0;
    uint32_t directory_crc = 0;
    uint32_t reserved = 0;
    uint32_t crc = 0;

    static constexpr size_t kSize = 64;
  };
  // In front of the footer, followed by one checksum for each part: slots, cells of integer keys, of string keys, segments.
  struct Directory {
    uint64_t data_size = 0;
    SlotTable::Saved slots;
    uint32_t segments = 0;
    uint32_t reserved = 0;
    std::array<KeyIndex::SavedShards, 2> shards{};
  };
  static_assert(sizeof(Footer) == Footer::kSize && sizeof(Directory) == 16 + 24 + 2 * 4 * kShards);

  // What one checksum covers.
  struct Part {
    uint64_t offset = 0;
    uint64_t length = 0;
  };

  KeyIndex& index(size_t number) { return number == 0 ? engine_.ints_ : engine_.strings_; }
  uint32_t slot_parts() const { return (directory_.slots.size + kSlotsPerPart - 1) / kSlotsPerPart; }
  uint32_t part_count() const { return slot_parts() + 2 * kShards + 1; }
  // Where each part lies, by the directory.
  std::vector<Part> layout() const;
  uint32_t footer_crc() const;
  Status write();
  bool read_directory(std::vector<uint32_t>* checksums);
  Status prepare_tables(bool* sound);
  bool take(uint32_t number, const Part& part, uint32_t checksum);
  bool take_segments(const std::byte* from);

  Engine& engine_;
  Footer footer_;
  Directory directory_;
};

}  // namespace mmcb
