// Journal: stores to repeat if the process dies between them. One record at a time, in the head of the file.
//
// A change that takes several stores into live bytes is written here first, armed with one word, done in place, and
// cleared. Recovery after a process kill repeats an armed record; after a power cut the journal does not matter, since it
// only ever touches what the durable epoch does not need.
//
// Thread safety: serialised by the engine's write lock.
#pragma once

#include <cstdint>

#include "core/format.h"
#include "core/volume.h"

namespace mmcb {

class Journal {
 public:
  // `enabled` false: a store that no crash can leave behind (":memory:"); arm and clear do nothing.
  void initialize(Volume* volume, uint32_t seed, uint32_t size, bool enabled) {
    volume_ = volume;
    seed_ = seed;
    size_ = size;
    enabled_ = enabled;
  }

  // True when an entry image of this size (header, key and data) fits.
  bool fits_entry(uint64_t image_size) const { return !enabled_ || image_size + kEntryOverhead <= size_; }
  // True when a list of stores of this size fits.
  bool fits_list(uint64_t list_size) const { return !enabled_ || list_size + JournalHeader::kSize <= size_; }

  // Arms a record that an entry is to be stored at `offset`.
  void arm_entry(uint64_t offset, const std::byte (&header)[EntryHeader::kSize], const std::byte* key, size_t key_size,
                 const std::byte* data, size_t data_size);
  // Arms a list of stores (JournalStore records one behind another).
  void arm_stores(const std::byte* list, uint64_t length);
  // Arms a list of stores that lies in the entry at `offset`.
  void arm_redo_list(uint64_t offset);
  void clear();

  // Does what a list says. Precondition: list_is_valid().
  static void apply(std::byte* base, const std::byte* list, uint64_t length);
  // True when the list is well-formed and all its stores lie within [low, high).
  static bool list_is_valid(const std::byte* list, uint64_t length, uint64_t low, uint64_t high);

  // Recovery: repeats an armed record on the mapping at `base` of `file_size` bytes. Whatever is damaged or out of bounds
  // is left alone. True when something was repeated.
  static bool replay(std::byte* base, uint64_t file_size, const Superblock& superblock);
  // True when a record is armed.
  static bool is_armed(const std::byte* base);

 private:
  static constexpr uint64_t kEntryOverhead = JournalHeader::kSize + 8;

  void arm(JournalKind kind, uint32_t length, uint64_t covered);

  Volume* volume_ = nullptr;
  uint32_t seed_ = 0;
  uint32_t size_ = 0;
  bool enabled_ = false;
};

}  // namespace mmcb
