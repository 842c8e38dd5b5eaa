#include "core/key_index.h"

#include <cstring>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mmcb {
namespace {

// Room for tables of 2^32 cells in all, plus the outgrown ones (as much again at most): some three billion keys.
constexpr uint64_t kAddressSpace = uint64_t{1} << 37;
// A quarter of a million keys: with less, a store is not worth opening.
constexpr uint64_t kLeastAddressSpace = 16 << 20;

__extension__ typedef unsigned __int128 Product;

// The folded multiplication of wyhash (Wang Yi, 2019): both halves of the 128-bit product, so that every bit of the
// operands reaches every bit of the result.
inline uint64_t fold(uint64_t a, uint64_t b) {
  const Product product = static_cast<Product>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t load64(const unsigned char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline uint64_t load32(const unsigned char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

Status KeyIndex::initialize(uint64_t seed) {
  seed_ = seed;
  static_assert(sizeof(Cell) == 1u << kLog2CellSize && sizeof(Shard) == 64);
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  MMCB_TRY(region_.reserve(kAddressSpace, kLeastAddressSpace));
  uint64_t shards = 0;
  constexpr unsigned kLog2ShardsSize = kLog2Shards + 6;
  MMCB_TRY(region_.allocate(kLog2ShardsSize, &shards));  // the first allocation: offset 0, see shard_at()
  for (unsigned number = 0; number < kShards; ++number) {
    uint64_t table = 0;
    MMCB_TRY(region_.allocate(kFirstLog2Cells + kLog2CellSize, &table));
    shard_at(number).table.store(table | kFirstLog2Cells, std::memory_order_release);
  }
  return Status();
}

void KeyIndex::prefetch(uint64_t key) const {
  const uint64_t hash = spread(key);
  const uint64_t table = shard(hash).table.load(std::memory_order_acquire);
  __builtin_prefetch(&cells(table)[home(hash, key, table)]);
}

KeyIndex::Cell* KeyIndex::locate(const Shard& shard, uint64_t spread, uint64_t key, uint64_t offset) const {
  const uint64_t table = shard.table.load(std::memory_order_relaxed);
  Cell* const first = cells(table);
  const uint64_t mask = (uint64_t{1} << log2_cells(table)) - 1;
  // Ends: a table is never full.
  for (uint64_t index = home(spread, key, table);; index = (index + 1) & mask) {
    const uint64_t word = first[index].key.load(std::memory_order_relaxed);
    if (word == 0) return nullptr;
    if (word == key && first[index].offset.load(std::memory_order_relaxed) == offset) return &first[index];
  }
}

KeyIndex::Cell* KeyIndex::vacancy(uint64_t table, uint64_t spread, uint64_t key, uint64_t furthest) const {
  Cell* const first = cells(table);
  const uint64_t mask = (uint64_t{1} << log2_cells(table)) - 1;
  uint64_t index = home(spread, key, table);
  for (uint64_t passed = 0; first[index].key.load(std::memory_order_relaxed) != 0; index = (index + 1) & mask) {
    if (++passed > furthest) return nullptr;
  }
  return &first[index];
}

Status KeyIndex::insert(uint64_t key, uint64_t offset) {
  const uint64_t hash = spread(key);
  Shard& shard = this->shard(hash);
  uint64_t table = shard.table.load(std::memory_order_relaxed);
  if (shard.used >= limit(static_cast<unsigned>(hash >> (64 - kLog2Shards)), log2_cells(table))) {
    MMCB_TRY(grow(shard, static_cast<unsigned>(hash >> (64 - kLog2Shards))));
    table = shard.table.load(std::memory_order_relaxed);
  }
  Cell* cell = vacancy(table, hash, key, kClustered);
  if (cell == nullptr) {
    // Where memory for that is short, a long way round still leads to an empty cell.
    if (exact_ && (table & kScattered) == 0 && rebuild(shard, log2_cells(table), true).ok()) {
      table = shard.table.load(std::memory_order_relaxed);
    }
    cell = vacancy(table, hash, key, UINT64_MAX);
  }
  occupy(shard, *cell, key, offset);
  return Status();
}

Status KeyIndex::insert(uint64_t key, uint64_t offset, const Vacancy& vacancy) {
  const uint64_t hash = spread(key);
  Shard& shard = this->shard(hash);
  const uint64_t table = shard.table.load(std::memory_order_relaxed);
  if (vacancy.cell == nullptr || vacancy.table != table ||
      shard.used >= limit(static_cast<unsigned>(hash >> (64 - kLog2Shards)), log2_cells(table))) {
    return insert(key, offset);
  }
  occupy(shard, *vacancy.cell, key, offset);
  return Status();
}

void KeyIndex::occupy(Shard& shard, Cell& cell, uint64_t key, uint64_t offset) {
  // The cell is in use from the moment it has a key. Both stores release: the offset may also be seen by a reader that
  // took the key of the cell's former user, and it must then see that the sequence has changed since.
  cell.offset.store(offset, std::memory_order_release);
  cell.key.store(key, std::memory_order_release);
  ++shard.used;
  size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool KeyIndex::move(uint64_t key, uint64_t from, uint64_t to) {
  const uint64_t hash = spread(key);
  Cell* const cell = locate(shard(hash), hash, key, from);
  if (cell == nullptr) return false;
  cell->offset.store(to, std::memory_order_release);
  return true;
}

bool KeyIndex::erase(uint64_t key, uint64_t offset) {
  const uint64_t hash = spread(key);
  Shard& shard = this->shard(hash);
  Cell* hole = locate(shard, hash, key, offset);
  if (hole == nullptr) return false;
  const uint64_t table = shard.table.load(std::memory_order_relaxed);
  Cell* const first = cells(table);
  const uint64_t mask = (uint64_t{1} << log2_cells(table)) - 1;

  // Relaxed is enough: the release stores below carry it to whoever sees one of them. See find().
  const uint64_t sequence = shard.sequence.load(std::memory_order_relaxed);
  shard.sequence.store(sequence + 1, std::memory_order_relaxed);
  // Knuth's algorithm R (The Art of Computer Programming 6.4): what stands behind the hole and was pushed past it moves
  // into it, so that no search ends early at an empty cell.
  uint64_t empty = static_cast<uint64_t>(hole - first);
  for (uint64_t index = (empty + 1) & mask;; index = (index + 1) & mask) {
    const uint64_t word = first[index].key.load(std::memory_order_relaxed);
    if (word == 0) break;
    const uint64_t wanted = home(spread(word), word, table);
    if (((index - wanted) & mask) < ((index - empty) & mask)) continue;  // its home lies behind the hole
    first[empty].offset.store(first[index].offset.load(std::memory_order_relaxed), std::memory_order_release);
    first[empty].key.store(word, std::memory_order_release);
    empty = index;
  }
  first[empty].key.store(0, std::memory_order_release);
  shard.sequence.store(sequence + 2, std::memory_order_release);

  --shard.used;
  size_.store(size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  return true;
}

Status KeyIndex::reserve(const Demand& demand) {
  for (unsigned number = 0; number < kShards; ++number) {
    if (demand.keys[number] == 0) continue;
    Shard& shard = shard_at(number);
    const uint64_t table = shard.table.load(std::memory_order_relaxed);
    unsigned log2 = log2_cells(table);
    while (log2 <= kMaxLog2Cells && limit(number, log2) < shard.used + demand.keys[number]) ++log2;
    if (log2 > log2_cells(table)) MMCB_TRY(rebuild(shard, log2, (table & kScattered) != 0));
  }
  return Status();
}

Status KeyIndex::grow(Shard& shard, unsigned number) {
  const uint64_t table = shard.table.load(std::memory_order_relaxed);
  const bool scattered = (table & kScattered) != 0;
  const unsigned present = log2_cells(table);
  // Keys are spread at random: a shard has a little more than its part of them, or less.
  const uint64_t part = expected_ / kShards + expected_ / kShards / 64;
  unsigned wanted = present + 1;
  while (wanted < kMaxLog2Cells && limit(number, wanted) <= part) ++wanted;
  // The shorter step comes first, so that the last one, which moves most, is as long as can be.
  const unsigned step = (wanted - present - 1) % kMostDoublings + 1;
  // What is expected is no reason to fail.
  if (step > 1 && rebuild(shard, present + step, scattered).ok()) return Status();
  return rebuild(shard, present + 1, scattered);
}

// The old table stays as it is until no reader can see it, and the new one is complete before it is published. A reader
// that still looks at the old one gives an answer that was right after it began.
Status KeyIndex::rebuild(Shard& shard, unsigned log2, bool scattered) {
  reclaim();
  if (log2 > kMaxLog2Cells) return Status(Code::kNoMemory, "key index: too large");
  // Before anything has changed: once the new table is published, the old one has to be remembered.
  MMCB_TRY(guarded([&] {
    if (retired_.size() == retired_.capacity()) retired_.reserve(2 * retired_.size() + 8);
    return Status();
  }));
  uint64_t place = 0;
  MMCB_TRY(region_.allocate(log2 + kLog2CellSize, &place));
  const uint64_t old_table = shard.table.load(std::memory_order_relaxed);
  const uint64_t new_table = place | (scattered ? kScattered : 0) | log2;
  const Cell* const from = cells(old_table);
  for (uint64_t index = 0; index < uint64_t{1} << log2_cells(old_table); ++index) {
    const uint64_t key = from[index].key.load(std::memory_order_relaxed);
    if (key == 0) continue;
    Cell* const to = vacancy(new_table, spread(key), key, UINT64_MAX);
    to->offset.store(from[index].offset.load(std::memory_order_relaxed), std::memory_order_relaxed);
    to->key.store(key, std::memory_order_relaxed);
  }
  shard.table.store(new_table, std::memory_order_release);
  retired_.push_back({old_table & kOffsetMask, log2_cells(old_table) + kLog2CellSize, pins_.retire()});
  return Status();
}

// ---- Saved tables --------------------------------------------------------------------------------------------------------

KeyIndex::SavedShards KeyIndex::save_shards() const {
  SavedShards saved{};
  for (unsigned number = 0; number < kShards; ++number) {
    const Shard& shard = shard_at(number);
    const bool scattered = (shard.table.load(std::memory_order_relaxed) & kScattered) != 0;
    saved[number] = static_cast<uint32_t>(shard.used) | (scattered ? kSavedScattered : 0);
  }
  return saved;
}

void KeyIndex::save_cells(unsigned shard, MutableBytes target) const {
  std::byte* at = target.data();
  for_each_in(shard, [&](uint64_t key, uint64_t offset) {
    std::memcpy(at, &key, sizeof key);
    std::memcpy(at + sizeof key, &offset, sizeof offset);
    at += kSavedCell;
  });
}

Status KeyIndex::restore_begin(const SavedShards& shards) {
  uint64_t size = 0;
  for (unsigned number = 0; number < kShards; ++number) {
    Shard& shard = shard_at(number);
    const uint64_t cells = saved_cells(shards[number]);
    const bool scattered = (shards[number] & kSavedScattered) != 0;
    unsigned log2 = kFirstLog2Cells;
    while (log2 <= kMaxLog2Cells && limit(number, log2) < cells) ++log2;
    if (log2 > kFirstLog2Cells || scattered) MMCB_TRY(rebuild(shard, log2, scattered));
    size += cells;
  }
  size_.store(size, std::memory_order_relaxed);
  return Status();
}

bool KeyIndex::restore_cells(unsigned number, Bytes saved, uint64_t begin, uint64_t end) {
  Shard& shard = shard_at(number);
  const uint64_t table = shard.table.load(std::memory_order_relaxed);
  for (size_t at = 0; at < saved.size(); at += kSavedCell) {
    uint64_t key;
    uint64_t offset;
    std::memcpy(&key, saved.data() + at, sizeof key);
    std::memcpy(&offset, saved.data() + at + sizeof key, sizeof offset);
    const uint64_t hash = spread(key);
    if (key == 0 || hash >> (64 - kLog2Shards) != number || offset < begin || offset >= end) return false;
    Cell* const cell = vacancy(table, hash, key, UINT64_MAX);
    cell->offset.store(offset, std::memory_order_relaxed);
    cell->key.store(key, std::memory_order_relaxed);
  }
  shard.used = saved.size() / kSavedCell;
  return true;
}

void KeyIndex::reclaim() {
  // Tickets grow, so the list is a queue.
  size_t freed = 0;
  while (freed < retired_.size() && pins_.is_reclaimable(retired_[freed].ticket)) {
    region_.recycle(retired_[freed].offset, retired_[freed].log2_size);
    ++freed;
  }
  retired_.erase(retired_.begin(), retired_.begin() + static_cast<std::ptrdiff_t>(freed));
}

void KeyIndex::back_off(unsigned attempt) {
  // The writer is between two stores, unless the system took its processor away.
  if (attempt >= 64) {
    std::this_thread::yield();
    return;
  }
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A compact wyhash: folded multiplications over 16 bytes at a time. Unlike wyhash, the constant that meets the input
// depends on the seed, so that no input can be made to multiply by zero and so erase what came before.
// Saved indexes hold these hashes: a change here is a change of the file format.
uint64_t KeyIndex::word_of_bytes(const void* key, size_t length, uint64_t seed) {
  constexpr uint64_t kA = 0xa0761d6478bd642full;
  constexpr uint64_t kB = 0xe7037ed1a0b428dbull;
  constexpr uint64_t kC = 0x8ebc6af09c88c6e3ull;
  constexpr uint64_t kD = 0x589965cc75374cc3ull;
  const auto* at = static_cast<const unsigned char*>(key);
  const uint64_t secret = fold(seed ^ kA, kB);
  uint64_t state = fold(seed ^ kC, kD);
  uint64_t first = 0;
  uint64_t second = 0;
  if (length > 16) {
    size_t left = length;
    for (; left > 16; left -= 16, at += 16) state = fold(load64(at) ^ secret, load64(at + 8) ^ state);
    first = load64(at + left - 16);  // the last 16 bytes, some of them for the second time
    second = load64(at + left - 8);
  } else if (length >= 4) {
    // Two overlapping pairs that cover 4 to 16 bytes without a loop.
    const size_t middle = length >> 3 << 2;
    first = load32(at) << 32 | load32(at + middle);
    second = load32(at + length - 4) << 32 | load32(at + length - 4 - middle);
  } else if (length > 0) {
    first = static_cast<uint64_t>(at[0]) << 16 | static_cast<uint64_t>(at[length >> 1]) << 8 | at[length - 1];
  }
  const uint64_t mixed = fold(first ^ secret, second ^ state);
  const uint64_t hash = fold(mixed ^ kA ^ length, secret ^ kB);
  return hash != 0 ? hash : 1;
}

}  // namespace mmcb
