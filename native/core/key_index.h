// KeyIndex: from a 64-bit key word to the offset of an entry. The word is the key itself for integer keys (exact) and a
// 64-bit hash for string keys (the caller compares the key bytes in the entry).
//
// 256 shards, each an open-addressed table of 16-byte cells {key word, offset}, linear probing with backward-shift
// deletion, at most 3/4 full. A shard doubles on its own, each at another load, so that growing never pauses a writer
// for longer than one shard takes (about 1/256 of the index). Four neighbouring integer keys share a cache line, so that
// sequential access runs at line speed. Everything is referred to by offsets within the region.
//
// Integer keys spread by Fibonacci hashing, which lays ranges and most progressions out without any collision. Keys that
// it lays next to each other (some steps do, and somebody may choose such) make their shard go over to a stronger hash.
//
// Thread safety: find() is lock-free beside one writer, under a ReaderPin (an outgrown table is retired, not freed at
// once); a shard's sequence number is odd while cells move, and find() retries. Writers are serialised by the caller.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/bytes.h"
#include "core/reader_pins.h"
#include "core/region.h"
#include "core/status.h"

namespace mmcb {

class KeyIndex {
 public:
  // `exact`: key words are the keys themselves, at most one cell each. Otherwise they are hashes and may repeat.
  KeyIndex(Platform& platform, ReaderPins& pins, bool exact)
      : region_(platform), pins_(pins), exact_(exact), local_(exact ? kNeighbours - 1 : 0) {}

  // Call once. `seed` is for the stronger hash, so that nobody can choose keys that collide under it too. Keys have the
  // same order in every index (under an equal seed), so that inserting in that order is sequential.
  Status initialize(uint64_t seed = 0);

  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  // Bytes of the tables, outgrown ones that still wait for readers included.
  uint64_t memory() const { return region_.used(); }

  // Calls `match(offset)` for each cell with this key word until it returns true; returns that offset, or 0.
  // In an exact index the first cell is the answer and match is not called. Precondition: the caller is pinned.
  // Beside a writer, match may see an offset that another key has by now (it was in the index while the caller was
  // pinned), and may see one twice; it must therefore compare the key in the entry.
  template <typename Match>
  uint64_t find(uint64_t key, Match&& match) const;

  // Brings the cell's cache line in ahead of find().
  void prefetch(uint64_t key) const;

  // The same for the writer, whom nobody disturbs. Where it finds nothing, `*vacancy` is where the search ended.
  struct Vacancy;
  template <typename Match>
  uint64_t find(uint64_t key, Match&& match, Vacancy* vacancy) const;

  // Precondition: no cell for this entry exists yet. kNoMemory where the index cannot grow.
  Status insert(uint64_t key, uint64_t offset);
  // The same behind a find() that left `vacancy`, and no other change of the index since: without a search, mostly.
  Status insert(uint64_t key, uint64_t offset, const Vacancy& vacancy);
  // So many keys are to be expected in all: a shard that grows makes room for its part of them at once, but never grows
  // to more than 8 times its size, whatever is expected. 0: nothing is known.
  void expect(uint64_t keys) { expected_ = keys; }
  // Makes the cell {key, from} say {key, to}; false where there is none.
  bool move(uint64_t key, uint64_t from, uint64_t to);
  // Removes the cell {key, offset}; false where there is none.
  bool erase(uint64_t key, uint64_t offset);
  // Makes room for keys that are still to come: inserting those counted in `demand` cannot fail afterwards.
  struct Demand;
  void count_in(Demand* demand, uint64_t key) const;
  Status reserve(const Demand& demand);
  // Frees outgrown tables that no reader can see any more. Growing does it too.
  void reclaim();
  // Calls `visit(key, offset)` for each cell, in table order. Not beside a writer.
  template <typename Visit>
  void for_each(Visit&& visit) const;
  // The same for one shard of kShardCount, so that a writer need not wait for all of them.
  static constexpr unsigned kShardCount = 256;
  template <typename Visit>
  void for_each_in(unsigned shard, Visit&& visit) const;

  // ---- Saved tables: of each shard how many cells it has in use, and these cells ----
  static constexpr size_t kSavedCell = 16;  // key word, offset
  // By shard: the number of its cells | kSavedScattered where its keys are placed by the stronger hash.
  using SavedShards = std::array<uint32_t, kShardCount>;
  static constexpr uint64_t saved_cells(uint32_t shard) { return shard & ~kSavedScattered; }
  SavedShards save_shards() const;
  // Copies a shard's cells in table order. Precondition: room for all of them.
  void save_cells(unsigned shard, MutableBytes target) const;
  // Makes room for `shards`, whose cells are then restored, each shard's in one call, from any thread. size() is what it will
  // be. Precondition: empty.
  Status restore_begin(const SavedShards& shards);
  // False, with the shard half full, where a cell is not of this shard, or leads to an entry outside of [begin, end).
  bool restore_cells(unsigned shard, Bytes cells, uint64_t begin, uint64_t end);

  // Key words for keys.
  static uint64_t word_of_int(int64_t key) { return static_cast<uint64_t>(key) ^ kIntMask; }
  static int64_t int_of_word(uint64_t word) { return static_cast<int64_t>(word ^ kIntMask); }
  // A 64-bit hash of string key bytes under `seed`; never 0. Stable: saved indexes hold it.
  static uint64_t word_of_bytes(const void* key, size_t length, uint64_t seed);

 private:
  // Key word 0 marks an empty cell: no safe integer maps to it.
  static constexpr uint64_t kIntMask = 0x8000000000000000ull;

  // 16 bytes, so that a line of 64 holds kNeighbours of them.
  struct Cell {
    std::atomic<uint64_t> key;
    std::atomic<uint64_t> offset;
  };
  // A line of its own: a writer's work on one shard leaves readers of the others alone.
  struct alignas(64) Shard {
    std::atomic<uint64_t> table;     // offset in the region | kScattered where so | log2 of the number of cells
    std::atomic<uint64_t> sequence;  // odd while cells move
    uint64_t used;                   // the writer's
  };
  static constexpr unsigned kLog2Shards = 8;
  static constexpr unsigned kShards = 1u << kLog2Shards;
  static constexpr uint64_t kNeighbours = 4;
  static constexpr unsigned kFirstLog2Cells = 3;
  static constexpr unsigned kMostDoublings = 3;  // in one step
  // An insert that passes this many cells has met a cluster that evenly placed keys do not form below 3/4 load.
  static constexpr uint64_t kClustered = 512;
  static constexpr unsigned kMaxLog2Cells = 31;
  static constexpr unsigned kLog2CellSize = 4;
  // Tables are aligned to lines, which leaves the low six bits of their offset to what else there is to say.
  static constexpr uint64_t kOffsetMask = ~uint64_t{63};
  static constexpr uint64_t kScattered = 32;  // placed by the stronger hash
  static constexpr uint64_t kLog2Mask = 31;
  static constexpr uint32_t kSavedScattered = 1u << 31;

  // The top bits of the result choose the shard, those below the cell. In an exact index, four neighbouring key words
  // (equal but for the low two bits) spread alike.
  uint64_t spread(uint64_t key) const { return exact_ ? key / kNeighbours * 0x9e3779b97f4a7c15ull : key; }
  // The cell where a search begins. High bits first, so that a table in order stays in order when it doubles.
  uint64_t home(uint64_t spread, uint64_t key, uint64_t table) const {
    uint64_t bits = spread << kLog2Shards;
    if ((table & kScattered) != 0) bits = scatter(spread);
    return ((bits >> (64 - log2_cells(table))) & ~local_) | (key & local_);
  }
  // MurmurHash3's finalizer (Appleby), seeded.
  uint64_t scatter(uint64_t spread) const {
    uint64_t bits = spread ^ seed_;
    bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccdull;
    bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53ull;
    return bits ^ bits >> 33;
  }
  Shard& shard(uint64_t spread) const { return shard_at(static_cast<unsigned>(spread >> (64 - kLog2Shards))); }
  Shard& shard_at(unsigned number) const { return reinterpret_cast<Shard*>(region_.data())[number]; }
  static unsigned log2_cells(uint64_t table) { return static_cast<unsigned>(table & kLog2Mask); }
  Cell* cells(uint64_t table) const { return reinterpret_cast<Cell*>(region_.data() + (table & kOffsetMask)); }
  // How many cells of a shard may be used: from 1/2 for the first shard to 3/4 for the last. Keys can fall so evenly
  // that all shards would otherwise double within a few inserts.
  static uint64_t limit(unsigned number, unsigned log2_cells) {
    const uint64_t count = uint64_t{1} << log2_cells;
    return count / 2 + count / 4 * (number + 1) / kShards;
  }

  // The cell {key, offset} of a shard, or null. For the writer.
  Cell* locate(const Shard& shard, uint64_t spread, uint64_t key, uint64_t offset) const;
  // The first empty cell from a key's home on; null where it is further away than `furthest`.
  Cell* vacancy(uint64_t table, uint64_t spread, uint64_t key, uint64_t furthest) const;
  // Fills a vacant cell.
  void occupy(Shard& shard, Cell& cell, uint64_t key, uint64_t offset);
  // Makes a full shard larger.
  Status grow(Shard& shard, unsigned number);
  // Moves a shard to a new table of this size, under the stronger hash if `scattered`.
  Status rebuild(Shard& shard, unsigned log2_cells, bool scattered);
  // Waits a little before looking at a sequence number again.
  static void back_off(unsigned attempt);

  struct Retired {
    uint64_t offset;
    unsigned log2_size;
    uint64_t ticket;
  };

  Region region_;
  ReaderPins& pins_;
  const bool exact_;
  const uint64_t local_;  // the bits of the key word that choose a cell within its line
  uint64_t seed_ = 0;
  uint64_t expected_ = 0;
  std::atomic<uint64_t> size_{0};
  std::vector<Retired> retired_;
};

// Where a key that was not found would go.
struct KeyIndex::Vacancy {
  uint64_t table = 0;
  Cell* cell = nullptr;  // null: none was found near enough
};

// Keys to be inserted, by shard.
struct KeyIndex::Demand {
  std::array<uint32_t, kShards> keys{};
};

inline void KeyIndex::count_in(Demand* demand, uint64_t key) const {
  demand->keys[spread(key) >> (64 - kLog2Shards)]++;
}

// A seqlock without fences (ThreadSanitizer does not see them; Boehm, "Can seqlocks get along with programming language
// memory models?", 2012): the writer stores to cells with release after it made the sequence odd, the reader loads them
// with acquire, so whoever saw a store made under an odd sequence also sees that the sequence has changed.
template <typename Match>
uint64_t KeyIndex::find(uint64_t key, Match&& match) const {
  const uint64_t hash = spread(key);
  const Shard& shard = this->shard(hash);
  for (unsigned attempt = 0;; ++attempt) {
    const uint64_t sequence = shard.sequence.load(std::memory_order_acquire);
    if ((sequence & 1) != 0) {
      back_off(attempt);
      continue;
    }
    // One word, so that place and size always belong together.
    const uint64_t table = shard.table.load(std::memory_order_acquire);
    const Cell* const first = cells(table);
    const uint64_t mask = (uint64_t{1} << log2_cells(table)) - 1;
    uint64_t index = home(hash, key, table);
    uint64_t found = 0;
    // Bounded: cells that move while we look could otherwise lead around for ever.
    for (uint64_t probe = 0; probe <= mask; ++probe, index = (index + 1) & mask) {
      const uint64_t word = first[index].key.load(std::memory_order_acquire);
      if (word == 0) break;
      if (word != key) continue;
      const uint64_t offset = first[index].offset.load(std::memory_order_acquire);
      if (exact_) {
        found = offset;
        break;
      }
      // The key in the entry decides, so there is nothing left to validate.
      if (match(offset)) return offset;
    }
    if (shard.sequence.load(std::memory_order_relaxed) == sequence) return found;
    back_off(attempt);
  }
}

template <typename Match>
uint64_t KeyIndex::find(uint64_t key, Match&& match, Vacancy* vacancy) const {
  const uint64_t hash = spread(key);
  const uint64_t table = shard(hash).table.load(std::memory_order_relaxed);
  Cell* const first = cells(table);
  const uint64_t mask = (uint64_t{1} << log2_cells(table)) - 1;
  uint64_t index = home(hash, key, table);
  // Ends: a table is never full.
  for (uint64_t passed = 0;; ++passed, index = (index + 1) & mask) {
    const uint64_t word = first[index].key.load(std::memory_order_relaxed);
    if (word == 0) {
      *vacancy = {table, passed <= kClustered ? &first[index] : nullptr};
      return 0;
    }
    if (word != key) continue;
    const uint64_t offset = first[index].offset.load(std::memory_order_relaxed);
    if (exact_ || match(offset)) return offset;
  }
}

template <typename Visit>
void KeyIndex::for_each(Visit&& visit) const {
  for (unsigned number = 0; number < kShards; ++number) for_each_in(number, visit);
}

template <typename Visit>
void KeyIndex::for_each_in(unsigned number, Visit&& visit) const {
  static_assert(kShardCount == kShards);
  const uint64_t table = shard_at(number).table.load(std::memory_order_acquire);
  const Cell* const first = cells(table);
  for (uint64_t index = 0; index < uint64_t{1} << log2_cells(table); ++index) {
    const uint64_t key = first[index].key.load(std::memory_order_acquire);
    if (key != 0) visit(key, first[index].offset.load(std::memory_order_acquire));
  }
}

}  // namespace mmcb
