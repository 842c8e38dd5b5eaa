#include "core/journal.h"

#include <cstring>

#include "core/checksum.h"
#include "core/stores.h"

namespace mmcb {
namespace {

constexpr uint64_t kStateWord = kJournalOffset;
constexpr uint64_t kCrcWord = kJournalOffset + 4;
constexpr uint64_t kLengthWord = kJournalOffset + 8;
constexpr uint64_t kKindWord = kJournalOffset + 12;
constexpr uint64_t kPayload = kJournalOffset + JournalHeader::kSize;

// Checksum over length and kind (which lie together), then the covered part of the payload.
uint32_t record_crc(uint32_t seed, const std::byte* base, uint64_t covered) {
  return crc32c(seed, base + kLengthWord, 8 + covered);
}

}  // namespace

void Journal::arm(JournalKind kind, uint32_t length, uint64_t covered) {
  std::byte* base = volume_->at(0);
  MMCB_STEP(kJournalFilled);
  store32(base + kLengthWord, length);
  store32(base + kKindWord, static_cast<uint32_t>(kind));
  store32(base + kCrcWord, record_crc(seed_, base, covered));
  MMCB_STEP(kJournalSealed);
  store32(base + kStateWord, 1);
  MMCB_STEP(kJournalArmed);
}

void Journal::arm_entry(uint64_t offset, const std::byte (&header)[EntryHeader::kSize], const std::byte* key,
                        size_t key_size, const std::byte* data, size_t data_size) {
  if (!enabled_ || MMCB_BUG(kNoJournal)) return;
  std::byte* payload = volume_->at(kPayload);
  copy_in(payload, &offset, 8);
  copy_in(payload + 8, header, EntryHeader::kSize);
  MMCB_STEP(kJournalHalf);
  copy_in(payload + 8 + EntryHeader::kSize, key, key_size);
  copy_in(payload + 8 + EntryHeader::kSize + key_size, data, data_size);
  // Key and data are covered by the entry's own checksum, which the header holds: one pass over the data saved.
  arm(JournalKind::kEntry, static_cast<uint32_t>(8 + EntryHeader::kSize + key_size + data_size),
      8 + EntryHeader::kSize);
}

void Journal::arm_stores(const std::byte* list, uint64_t length) {
  if (!enabled_ || MMCB_BUG(kNoJournal)) return;
  copy_in(volume_->at(kPayload), list, length / 2);
  MMCB_STEP(kJournalHalf);
  copy_in(volume_->at(kPayload) + length / 2, list + length / 2, length - length / 2);
  arm(JournalKind::kStores, static_cast<uint32_t>(length), length);
}

void Journal::arm_redo_list(uint64_t offset) {
  if (!enabled_ || MMCB_BUG(kNoJournal)) return;
  copy_in(volume_->at(kPayload), &offset, 8);
  arm(JournalKind::kRedoList, 8, 8);
}

void Journal::clear() {
  if (!enabled_ || MMCB_BUG(kJournalNotCleared)) return;
  store32(volume_->at(kStateWord), 0);
  MMCB_STEP(kJournalCleared);
}

bool Journal::list_is_valid(const std::byte* list, uint64_t length, uint64_t low, uint64_t high) {
  uint64_t position = 0;
  while (position < length) {
    if (length - position < JournalStore::kSize) return false;
    const JournalStore store = decode_journal_store(list + position);
    const uint64_t padded = align8(store.length);
    if (padded > length - position - JournalStore::kSize) return false;
    if (store.offset < low || store.offset > high || store.length > high - store.offset) return false;
    position += JournalStore::kSize + padded;
  }
  return true;
}

void Journal::apply(std::byte* base, const std::byte* list, uint64_t length) {
  for (uint64_t position = 0; position < length;) {
    const JournalStore store = decode_journal_store(list + position);
    const std::byte* bytes = list + position + JournalStore::kSize;
    std::byte* target = base + store.offset;
    if (store.length == 8 && store.offset % 8 == 0) {
      uint64_t word;
      std::memcpy(&word, bytes, 8);
      store64(target, word);
    } else if (store.length == 4 && store.offset % 4 == 0) {
      uint32_t word;
      std::memcpy(&word, bytes, 4);
      store32(target, word);
    } else {
      copy_in(target, bytes, store.length);
    }
    MMCB_STEP(kJournalApplyHalf);
    position += JournalStore::kSize + align8(store.length);
  }
}

bool Journal::is_armed(const std::byte* base) { return load32(base + kStateWord) == 1; }

bool Journal::replay(std::byte* base, uint64_t file_size, const Superblock& superblock) {
  if (!is_armed(base)) return false;
  const uint32_t seed = file_seed(superblock.file_id);
  const uint32_t length = load32(base + kLengthWord);
  const auto kind = static_cast<JournalKind>(load32(base + kKindWord));
  if (length > superblock.journal_size - JournalHeader::kSize) return false;
  const uint64_t covered = kind == JournalKind::kEntry ? 8 + EntryHeader::kSize : length;
  if (covered > length || load32(base + kCrcWord) != record_crc(seed, base, covered)) return false;

  const std::byte* payload = base + kPayload;
  const uint64_t low = head_size(superblock.segment_size, superblock.journal_size);
  if (kind == JournalKind::kStores) {
    if (!list_is_valid(payload, length, low, file_size)) return false;
    apply(base, payload, length);
    return true;
  }

  // Both other kinds name an entry: bounds and checksum before anything of it is believed.
  if (length < 8) return false;
  uint64_t offset;
  std::memcpy(&offset, payload, 8);
  if (offset < low || offset % 8 != 0 || offset > file_size - EntryHeader::kSize) return false;
  const uint64_t segment_start = offset / superblock.segment_size * superblock.segment_size;
  SegmentHeader segment;
  if (!decode(base + segment_start, seed, &segment) || segment.index != (segment_start - low) / superblock.segment_size)
    return false;
  const std::byte* image = kind == JournalKind::kEntry ? payload + 8 : base + offset;
  const uint64_t room = kind == JournalKind::kEntry ? length - 8 : file_size - offset;
  const EntryHeader header = decode_entry_header(image);
  const uint64_t size = header.used_size();
  if (size > room || size > file_size - offset) return false;
  const std::byte* key = image + EntryHeader::kSize;
  const std::byte* data = key + header.key_size;
  if (header.crc !=
      entry_crc(entry_seed(seed, offset, segment.incarnation), image, key, header.key_size, data, header.data_size)) {
    return false;
  }
  if (kind == JournalKind::kEntry) {
    copy_in(base + offset, image, size / 2);
    MMCB_STEP(kJournalApplyHalf);
    copy_in(base + offset + size / 2, image + size / 2, size - size / 2);
    return true;
  }
  if (header.kind != Kind::kRedoList || !list_is_valid(data, header.data_size, low, file_size)) return false;
  apply(base, data, header.data_size);
  return true;
}

}  // namespace mmcb
