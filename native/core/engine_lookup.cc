// Engine: what a call checks and looks up before it changes anything. Everything here runs under the write lock.
#include <algorithm>
#include <cstring>

#include "core/engine.h"
#include "core/stores.h"

namespace mmcb {
namespace {

// Entries up to this size are checked whole before they are updated by key.
constexpr uint64_t kCheckedUpdate = 1024;

Bytes as_bytes(const std::byte* at, size_t length) { return {at, length}; }

Status damaged_header(uint64_t offset) {
  return describe(Code::kCorrupt, 0, "the header of the entry at offset ", offset, " is damaged");
}
}  // namespace

Status Engine::writable() const {
  MMCB_TRY(check_file());
  if (failed_.load(std::memory_order_relaxed)) {
    return describe(Code::kFailed, failure_.system_error(), "a sync failed earlier (", failure_.message(),
                    "); reopen the file to go on from its last sync point");
  }
  if (options_.read_only) return Status(Code::kReadOnly, "the store was opened with readOnly");
  return Status();
}

Status Engine::too_large(const Key& key, Bytes data) const {
  if (key.bytes.size() > kMaxKeySize) {
    return describe(Code::kTooLarge, 0, "a key may have at most 65535 bytes, this one has ", key.bytes.size());
  }
  return describe(Code::kTooLarge, 0, "an entry may have at most 2147483647 bytes, this one has ", data.size());
}

uint64_t Engine::word_of(const Key& key, uint32_t seed) {
  if (key.kind == Kind::kIntKey) {
    int64_t number;
    std::memcpy(&number, key.bytes.data(), sizeof number);
    return KeyIndex::word_of_int(number);
  }
  return KeyIndex::word_of_bytes(key.bytes.data(), key.bytes.size(), seed);
}

// A hash may be shared: the key in the entry decides. It never changes while the entry can be found. Two keys of one hash
// are so rare that another key is more likely damage (or a file cut short), which is not to be taken for absence.
bool Engine::ends_search(const Key& key, uint64_t offset) const {
  const std::byte* at = volume_.at(offset);
  uint16_t key_size;
  copy_out(&key_size, at + EntryHeader::kKeySizeOffset, sizeof key_size);
  const bool is_same =
      key_size == key.bytes.size() && std::memcmp(at + EntryHeader::kSize, key.bytes.data(), key.bytes.size()) == 0;
  return is_same || !is_whole(offset);
}

uint64_t Engine::find_offset(const Key& key, uint64_t word) const {
  return index_for(key.kind).find(word, [&](uint64_t offset) { return ends_search(key, offset); });
}

// Reads a header that is known to stand at `offset`, and believes it only as far as it fits its place.
Status Engine::read_header(uint64_t offset, Found* found) const {
  std::byte bytes[EntryHeader::kSize];
  std::memcpy(bytes, volume_.at(offset), sizeof bytes);
  found->offset = offset;
  found->word = 0;
  found->header = decode_entry_header(bytes);
  found->address = found->header.address();
  const EntryHeader& h = found->header;
  if (h.data_size > h.capacity ||
      offset + h.total_size() > mark_offset(segments_.end_of(segments_.index_of(offset)), h.ordinal)) {
    return damaged_header(offset);
  }
  return Status();
}

Status Engine::locate(Address address, Found* found) const {
  const uint64_t offset = slots_.resolve(address);
  if (offset == 0) return Status(Code::kNotFound, "no entry has this address: it was removed or never given out");
  MMCB_TRY(read_header(offset, found));
  prefetch_ending(*found);
  if (found->address != address) {
    return damaged_header(offset);
  }
  return Status();
}

Status Engine::locate(const Key& key, uint64_t word, Found* found, KeyIndex::Vacancy* vacancy) const {
  const uint64_t offset = index_for(key.kind).find(
      word, [&](uint64_t candidate) { return ends_search(key, candidate); }, vacancy);
  if (offset == 0) return Status(Code::kNotFound);
  MMCB_TRY(read_header(offset, found));
  found->word = word;
  prefetch_ending(*found);
  // That the header is this entry's is told by its checksum where that is cheap (its lines are on their way already), and
  // else by the slot, which is a cache miss of its own.
  if (found->header.total_size() <= kCheckedUpdate) {
    MMCB_TRY(check_found(*found));
  } else if (slots_.resolve(found->address) != offset) {
    return damaged_header(offset);
  }
  const Bytes its_key = key_of(*found);
  if (its_key.size() != key.bytes.size() || std::memcmp(its_key.data(), key.bytes.data(), its_key.size()) != 0) {
    return describe(Code::kCorrupt, 0, "the key of the entry at offset ", offset, " is damaged");
  }
  return Status();
}

// What has a checksum that holds at this place was written there as it is: there is nothing else to look at. Where it does not
// hold, the slow way finds out what to say.
Status Engine::check_found(const Found& found) const {
  const std::byte* const at = volume_.at(found.offset);
  const uint32_t incarnation = segments_.at(segments_.index_of(found.offset)).incarnation;
  const uint32_t crc = entry_crc(entry_seed(seed_, found.offset, incarnation), at, nullptr, 0, at + EntryHeader::kSize,
                                 uint64_t{found.header.key_size} + found.header.data_size);
  return crc == found.header.crc ? Status() : check_version_locked(found.offset);
}

Bytes Engine::key_of(const Found& found) const {
  return as_bytes(volume_.at(found.offset + EntryHeader::kSize), found.header.key_size);
}

uint64_t Engine::mark_offset_of(const Found& found) const {
  return mark_offset(segments_.end_of(segments_.index_of(found.offset)), found.header.ordinal);
}

void Engine::prefetch_ending(const Found& found) const {
  // A version of this epoch is mostly updated in place.
  if (found.header.epoch == open_epoch_.load(std::memory_order_relaxed)) return;
  __builtin_prefetch(volume_.at(mark_offset_of(found)), 1);
  slots_.prefetch(found.header.slot);
}

uint32_t Engine::capacity_for(size_t key_size, uint64_t data_size) const {
  // Signed, which the processor converts in one step; and std::ceil() is a call on the oldest ones of this architecture.
  const double wanted = static_cast<double>(static_cast<int64_t>(data_size)) * options_.extension_factor;
  const auto room = static_cast<int64_t>(kMaxCapacity - align8(key_size));
  int64_t rounded_up = room;
  if (wanted < static_cast<double>(room)) {
    rounded_up = static_cast<int64_t>(wanted);
    if (static_cast<double>(rounded_up) < wanted) rounded_up++;
  }
  const auto capacity = static_cast<uint64_t>(rounded_up);
  const uint64_t total = align8(EntryHeader::kSize + key_size + std::max(capacity, data_size));
  return static_cast<uint32_t>(total - EntryHeader::kSize - key_size);
}

}  // namespace mmcb
