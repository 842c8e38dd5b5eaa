// The read path of Engine: no lock, no wait. Pin, resolve, copy, check the checksum of the copy; a checksum that does not
// hold means that an update overtook the copy, and it is done again. Only after several such misses is the write lock
// taken, to tell damage from bad luck.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/engine.h"
#include "core/stores.h"
#include "core/walk.h"

namespace mmcb {
namespace {

constexpr int kAttempts = 16;
// A view of more than this is not worth reading twice: its checksum is left to verify().
constexpr uint64_t kCheckedView = 64 << 10;
// Keys whose cache misses are overlapped.
constexpr size_t kPrefetchGroup = 64;
// Entries without a key are records of something, and longer than a map's values mostly: a queue's head has 80 bytes.
constexpr uint64_t kPlainLines = 5;

}  // namespace

Status Engine::damaged_at(uint64_t offset) const {
  // The tail of the last page of a file cut short reads as zeros, without any fault: so the size is looked at.
  MMCB_TRY(check_file_size());
  return describe(
      Code::kCorrupt, 0, "the entry at offset ", offset,
      " is damaged: its checksum does not hold; run verify(), restore a backup or open with recovery 'salvage'");
}

// Copies the entry at `offset` (key too, if wanted) when target has room, and says whether what was seen is whole.
Engine::Copied Engine::copy_entry(uint64_t offset, Address expected, MutableBytes target, bool with_key,
                                  EntryHeader* header) const {
  const std::byte* at = volume_.at(offset);
  std::byte bytes[EntryHeader::kSize];
  copy_out(bytes, at, sizeof bytes);
  *header = decode_entry_header(bytes);
  const uint64_t size = header->used_size();
  if (header->crc == 0 || size > volume_.size() - offset) return Copied::kChanged;
  if (expected.slot != kNoSlot && header->address() != expected) return Copied::kChanged;
  const std::byte* key = at + EntryHeader::kSize;
  const uint64_t wanted = header->data_size + (with_key ? uint64_t{header->key_size} : 0);
  // Too small a target: the sizes alone (and the key, which never changes) are believed, the caller comes again.
  if (wanted > target.size()) {
    if (with_key && header->key_size <= target.size()) copy_out(target.data(), key, header->key_size);
    return Copied::kDone;
  }
  copy_out(target.data(), with_key ? key : key + header->key_size, wanted);
  // Of what was copied: the key, where it is not, never changes.
  const uint32_t seed = entry_seed(seed_, offset, segments_.incarnation_at(offset));
  const uint32_t crc = entry_crc(seed, bytes, key, with_key ? 0 : header->key_size, target.data(), wanted);
  return header->crc == crc ? Copied::kDone : Copied::kChanged;
}

bool Engine::is_whole(uint64_t offset) const {
  const std::byte* at = volume_.at(offset);
  std::byte bytes[EntryHeader::kSize];
  copy_out(bytes, at, sizeof bytes);
  const EntryHeader header = decode_entry_header(bytes);
  const uint64_t size = header.used_size();
  if (header.crc == 0 || size > volume_.size() - offset) return false;
  const std::byte* key = at + EntryHeader::kSize;
  return header.crc == entry_crc(entry_seed(seed_, offset, segments_.incarnation_at(offset)), bytes, nullptr, 0, key,
                                 uint64_t{header.key_size} + header.data_size);
}

// `resolve` sets the offset and the expected address (slot kNoSlot: any) and returns false when there is no entry.
template <typename Resolve>
Status Engine::read_resolved(Resolve&& resolve, MutableBytes target, bool with_key, EntryHeader* header) const {
  uint64_t offset = 0;
  Address expected;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (!resolve(&offset, &expected)) return not_found();
    const std::byte* at = volume_.at(offset);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
    if (copy_entry(offset, expected, target, with_key, header) == Copied::kDone) return Status();
  }
  std::lock_guard guard(lock_);
  if (!resolve(&offset, &expected)) return not_found();
  if (copy_entry(offset, expected, target, with_key, header) == Copied::kDone) return Status();
  note_damage();
  return damaged_at(offset);
}

Status Engine::read(ReaderPin& pin, Address address, MutableBytes target, uint64_t* size) const {
  const PinScope scope(pin);
  EntryHeader header;
  MMCB_TRY(read_resolved(
      [&](uint64_t* offset, Address* expected) {
        *expected = address;
        return (*offset = slots_.resolve(address)) != 0;
      },
      target, false, &header));
  *size = header.data_size;
  return Status();
}

Status Engine::read(ReaderPin& pin, Key key, MutableBytes target, uint64_t* size) const {
  const PinScope scope(pin);
  EntryHeader header;
  MMCB_TRY(read_resolved([&](uint64_t* offset, Address*) { return (*offset = find_offset(key)) != 0; }, target, false,
                         &header));
  *size = header.data_size;
  return Status();
}

Status Engine::read_entry(ReaderPin& pin, Address address, MutableBytes target, EntryHeader* header) const {
  const PinScope scope(pin);
  return read_resolved(
      [&](uint64_t* offset, Address* expected) {
        *expected = address;
        return (*offset = slots_.resolve(address)) != 0;
      },
      target, true, header);
}

Status Engine::read_collected(uint64_t offset, MutableBytes target, EntryHeader* header) const {
  return read_resolved(
      [&](uint64_t* found, Address*) {
        *found = offset;
        return true;
      },
      target, true, header);
}

Status Engine::read_data_of(uint64_t offset, MutableBytes target, uint64_t* size) const {
  EntryHeader header;
  MMCB_TRY(read_resolved(
      [&](uint64_t* found, Address*) {
        *found = offset;
        return true;
      },
      target, false, &header));
  *size = header.data_size;
  return Status();
}

template <typename Resolve>
Status Engine::read_part_resolved(ReaderPin& pin, Resolve&& resolve, uint64_t position, MutableBytes target,
                                  uint64_t* copied) const {
  const PinScope scope(pin);
  const auto copy = [&](uint64_t offset, const EntryHeader& header) {
    *copied = position >= header.data_size ? 0 : std::min<uint64_t>(target.size(), header.data_size - position);
    copy_out(target.data(), volume_.at(offset) + EntryHeader::kSize + header.key_size + position, *copied);
  };
  uint64_t offset;
  Address expected;
  if (!resolve(&offset, &expected)) return not_found();
  const EntryHeader seen = decode_entry_header(volume_.at(offset));
  // An entry too big for the journal is never updated in place: its bytes cannot change while the pin is held.
  if (seen.crc != 0 && !journal_.fits_entry(EntryHeader::kSize + seen.key_size + uint64_t{seen.capacity}) &&
      !volatile_ && offset + seen.total_size() <= volume_.size()) {
    copy(offset, seen);
    return check_file();
  }
  std::lock_guard guard(lock_);
  if (!resolve(&offset, &expected)) return not_found();
  const WalkContext context{volume_.at(0), seed_, segments_.segment_size(), segments_.head()};
  EntryHeader header;
  const uint32_t segment = segments_.index_of(offset);
  if (!entry_holds(context, offset, segments_.end_of(segment), segments_.at(segment).incarnation, 0, &header)) {
    note_damage();
    return damaged_at(offset);
  }
  copy(offset, header);
  return check_file();
}

Status Engine::read_part(ReaderPin& pin, Address address, uint64_t position, MutableBytes target,
                         uint64_t* copied) const {
  return read_part_resolved(
      pin, [&](uint64_t* offset, Address*) { return (*offset = slots_.resolve(address)) != 0; }, position, target,
      copied);
}

Status Engine::read_part(ReaderPin& pin, Key key, uint64_t position, MutableBytes target, uint64_t* copied) const {
  return read_part_resolved(
      pin, [&](uint64_t* offset, Address*) { return (*offset = find_offset(key)) != 0; }, position, target, copied);
}

void Engine::prefetch(ReaderPin& pin, std::span<const Key> keys) const {
  const PinScope scope(pin);
  for (size_t first = 0; first < keys.size(); first += kPrefetchGroup) {
    const auto group = keys.subspan(first, std::min(kPrefetchGroup, keys.size() - first));
    for (const Key& key : group) index_for(key.kind).prefetch(word_of(key));
    for (const Key& key : group) prefetch_entry(key.kind, word_of(key));
  }
}

void Engine::prefetch(ReaderPin& pin, std::span<const Address> addresses) const {
  const PinScope scope(pin);
  for (const Address& address : addresses) slots_.prefetch(address.slot);
  for (const Address& address : addresses)
    if (const uint64_t offset = slots_.resolve(address); offset != 0) prefetch_entry(offset, kPlainLines);
}

Status Engine::find(ReaderPin& pin, Key key, Address* address) const {
  const PinScope scope(pin);
  std::lock_guard guard(lock_);
  Found found;
  Status status = locate(key, word_of(key), &found);
  MMCB_TRY(check_file());
  if (status.ok()) *address = found.address;
  return status;
}

bool Engine::contains(ReaderPin& pin, Address address) const {
  const PinScope scope(pin);
  return slots_.resolve(address) != 0;
}

bool Engine::contains(ReaderPin& pin, Key key) const {
  const PinScope scope(pin);
  return find_offset(key) != 0;
}

Status Engine::info(Address address, EntryInfo* info) const {
  std::lock_guard guard(lock_);
  Found found;
  Status status = locate(address, &found);
  MMCB_TRY(check_file());
  if (status.ok()) *info = {found.header, found.offset};
  return status;
}

bool Engine::was_removed(Address address) const {
  return address.slot < slots_.size() && slots_.resolve(address) == 0 && slots_.is_past(address);
}

Status Engine::view(ReaderPin& pin, Address address, Bytes* data) const {
  const PinScope scope(pin);
  std::lock_guard guard(lock_);
  Found found;
  Status status = locate(address, &found);
  if (status.ok() && found.header.total_size() <= kCheckedView) status = check_found(found);
  MMCB_TRY(check_file());
  MMCB_TRY(status);
  *data = {volume_.at(found.offset) + EntryHeader::kSize + found.header.key_size, found.header.data_size};
  return Status();
}

bool Engine::next(KindFilter kind, uint64_t* cursor, Address* address, uint64_t* offset) const {
  const uint32_t slots = slots_.size();
  for (uint64_t slot = *cursor; slot < slots; slot++) {
    if (!slots_.live_at(static_cast<uint32_t>(slot), address, offset)) continue;
    if (kind != KindFilter::kAll) {
      std::byte bytes[EntryHeader::kSize];
      copy_out(bytes, volume_.at(*offset), sizeof bytes);
      if (decode_entry_header(bytes).kind != static_cast<Kind>(static_cast<uint8_t>(kind))) continue;
    }
    *cursor = slot + 1;
    return true;
  }
  *cursor = slots;
  return false;
}

Status Engine::check_version(uint64_t offset) const {
  uint64_t run_end = 0;
  {
    std::lock_guard guard(lock_);
    run_end = segments_.end_of(segments_.index_of(offset));
  }
  return check_entry(offset, run_end);
}

Status Engine::check_version_locked(uint64_t offset) const {
  return check_entry(offset, segments_.end_of(segments_.index_of(offset)));
}

Status Engine::check_entry(uint64_t offset, uint64_t run_end) const {
  const WalkContext context{volume_.at(0), seed_, segments_.segment_size(), segments_.head()};
  EntryHeader header;
  if (entry_holds(context, offset, run_end, segments_.incarnation_at(offset), 0, &header)) return Status();
  note_damage();
  return damaged_at(offset);
}

Status Engine::read_version(uint64_t offset, uint64_t position, MutableBytes target, uint64_t* copied) const {
  const EntryHeader header = decode_entry_header(volume_.at(offset));
  if (header.crc == 0 || offset + header.total_size() > volume_.size()) return damaged_at(offset);
  *copied = position >= header.data_size ? 0 : std::min<uint64_t>(target.size(), header.data_size - position);
  copy_out(target.data(), volume_.at(offset) + EntryHeader::kSize + header.key_size + position, *copied);
  return check_file();
}

uint64_t Engine::count(KindFilter kind) const {
  const uint64_t ints = ints_.size();
  const uint64_t strings = strings_.size();
  switch (kind) {
    case KindFilter::kIntKey: return ints;
    case KindFilter::kStringKey: return strings;
    case KindFilter::kAll: return count_.load(std::memory_order_relaxed);
    default: {
      // The three are not read at one moment.
      const uint64_t all = count_.load(std::memory_order_relaxed);
      return all > ints + strings ? all - ints - strings : 0;
    }
  }
}

}  // namespace mmcb
