// The bytes of an mmcb file: constants, and one struct with encode and decode for each record. docs/format.md has the
// diagrams. Everything is little-endian, fixed width, and read and written with memcpy; nothing here does I/O.
//
// These values reach the disk. Do not change them; a change of format gets a new kFormatVersion.
//
// Thread safety: pure functions and plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/address.h"
#include "core/platform/platform.h"
#include "core/step.h"

namespace mmcb {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored little-endian");

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr std::array<uint8_t, 8> kFileMagic = {'m', 'm', 'c', 'b', '\r', '\n', 0x1a, '\n'};

// Head: two superblocks, the state page, the journal; then padding up to the first segment.
inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kSector = 512;  // what a disk writes whole
inline constexpr uint64_t kSuperblockOffset[2] = {0, kPage};
inline constexpr uint64_t kStateOffset = 2 * kPage;
inline constexpr uint64_t kJournalOffset = 3 * kPage;
inline constexpr uint32_t kMinSegmentSize = 16 << 10;
inline constexpr uint32_t kMaxSegmentSize = 2 << 20;
inline constexpr uint32_t kDefaultSegmentSize = 2 << 20;
inline constexpr uint32_t kMinJournalSize = 4 << 10;
inline constexpr uint32_t kDefaultJournalSize = 128 << 10;

inline constexpr uint64_t kMaxEpoch = (1ull << 40) - 1;
inline constexpr uint64_t kMaxDataSize = 0x7fffffff;  // bytes of one entry's data: 2 GiB - 1
inline constexpr uint64_t kMaxCapacity = 0xfffffff8;
inline constexpr uint64_t kMaxKeySize = 0xffff;
inline constexpr uint64_t kMaxFileSize = 1ull << 45;  // what a slot can point to: 32 TiB

inline constexpr uint64_t align8(uint64_t n) { return (n + 7) & ~7ull; }

// Bytes of the head for a segment size: the first segment starts at a multiple of the segment size.
inline constexpr uint64_t head_size(uint32_t segment_size, uint32_t journal_size) {
  const uint64_t used = kJournalOffset + journal_size;
  return (used + segment_size - 1) / segment_size * segment_size;
}

// ---- Superblock: 256 bytes at the start of page 0 and of page 1, written in turn -------------------------------------

enum SuperblockFlag : uint32_t {
  kFlagClean = 1,        // closed in order: nothing newer than the durable epoch exists
  kFlagProcessMode = 2,  // durable versions may have been overwritten since (durability 'process')
  kFlagDamaged = 4,      // damage was met and has not been acknowledged since (DamageMarker)
  // Stored along with its data: after a power cut it counts if all of that is there, else the one before does.
  kFlagUnconfirmed = 8,
};

// What the file remembers of damage until somebody says that he knows: it outlives the process that met it.
struct DamageMarker {
  bool is_set = false;    // kFlagDamaged
  uint64_t first_ms = 0;  // when damage was met first and last: milliseconds since 1970
  uint64_t last_ms = 0;
  uint64_t places = 0;  // damaged places that openings have set aside
  uint64_t lost = 0;    // entries that openings could not find whole

  bool operator==(const DamageMarker&) const = default;
};

// Behind the superblock, in its page: a word without meaning. Storing to it makes the kernel write the page again even if
// it believes that the page is on the disk.
inline constexpr uint64_t kSuperblockTouchOffset = 256;

struct Superblock {
  uint32_t format_version = kFormatVersion;
  uint32_t segment_size = kDefaultSegmentSize;
  Uuid file_id{};
  uint64_t sequence = 0;       // the higher of two valid superblocks counts
  uint64_t durable_epoch = 0;  // E: everything up to E is on the disk
  uint32_t flags = 0;
  uint32_t segment_count = 0;  // segments that the state at E needs; the file is at least that long
  uint32_t journal_size = kDefaultJournalSize;
  uint32_t generation_floor = 0;
  Uuid boot_id{};
  FileIdentity identity;
  uint64_t live_count = 0;   // of the live set as of E
  uint64_t live_digest = 0;  // of the live set as of E (digest.h)
  uint32_t slot_count = 0;   // slots ever used: bounds what an entry's slot can be
  uint64_t created_ms = 0;
  DamageMarker damage;

  static constexpr size_t kSize = 256;
  static constexpr size_t kCrcOffset = kSize - 4;  // of the checksum; 0 there says that it is being written, or void

  bool operator==(const Superblock&) const = default;
};

enum class SuperblockVerdict : uint8_t {
  kValid,
  kForeign,     // the magic is not there
  kNewer,       // a format version that this code does not know
  kUnfinished,  // ours, and still being written when the world stopped: its checksum, stored last, is 0
  kDamaged,     // ours, but the checksum does not hold, or a field is out of bounds
};

void encode(const Superblock& superblock, std::byte (&bytes)[Superblock::kSize]);
SuperblockVerdict decode(const std::byte* bytes, Superblock* superblock);
// The same for the first or the second place of a file. Which of the two a superblock belongs in, its sequence number says:
// in the other one it is damage, a sector that was written to the wrong place.
SuperblockVerdict decode_in_place(const std::byte* file, size_t place, Superblock* superblock);
// Whether `other` can be the superblock that was written before `newest`. Any other one is damage, too, whole as it may be:
// an old sector, or one of another file.
bool is_predecessor(const Superblock& other, const Superblock& newest);

// ---- State page: words kept up to date by stores in place; trusted only when the page cache survived ------------------

inline constexpr uint64_t kStateDigest = kStateOffset + 0;       // running digest of the live set
inline constexpr uint64_t kStateDigestNext = kStateOffset + 8;   // what it will be after the change under way
inline constexpr uint64_t kStateFailed = kStateOffset + 16;      // kFailedMark after a failed sync, else kSoundMark
inline constexpr uint64_t kStateGeneration = kStateOffset + 24;  // highest generation handed out
inline constexpr uint64_t kFailedMark = 0x6465'6c69'6166'2121;   // "!!failed"
inline constexpr uint64_t kSoundMark = 0x646e'756f'7320'2121;    // "!! sound": a page of zeros does not say so

// ---- Marks: 8 bytes for each entry and each segment: is it live, and if not, since when ---------------------------------

// A mark word:  end epoch (40 bits, 0 = live) << 24 | check (24 bits). The check covers the epoch and the mark's place, so
// that a zeroed, leftover or misdirected mark is seen as damage and never as "live" or "ended".
struct Mark {
  bool valid = false;
  uint64_t end_epoch = 0;  // 0: live
};

inline constexpr uint32_t kSegmentOrdinal = 0xffffffff;  // the "ordinal" of a segment's own mark

inline uint64_t encode_mark(uint32_t file_seed, uint32_t segment, uint32_t incarnation, uint32_t ordinal,
                            uint64_t end_epoch) {
  // Two rounds of a multiply-xorshift mixer (the finaliser of MurmurHash3) over place and value: cheap, and any single
  // difference changes about half of the check's bits.
  uint64_t x = (static_cast<uint64_t>(segment) << 32 | incarnation) ^ (static_cast<uint64_t>(file_seed) << 16);
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  x ^= static_cast<uint64_t>(ordinal) << 40 ^ end_epoch;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  x ^= x >> 33;
  // Never zero, so that a zeroed mark is never valid.
  const uint64_t check = (x & 0xffffff) == 0 ? 1 : x & 0xffffff;
  return end_epoch << 24 | check;
}

inline Mark decode_mark(uint64_t word, uint32_t file_seed, uint32_t segment, uint32_t incarnation, uint32_t ordinal) {
  const uint64_t end_epoch = word >> 24;
  if (MMCB_BUG(kZeroMarkAccepted) && word == 0) return {true, 0};
  return {word == encode_mark(file_seed, segment, incarnation, ordinal, end_epoch), end_epoch};
}

// ---- Segment header: 64 bytes at the start of a segment (or of a run of segments) ----------------------------------------

inline constexpr uint32_t kSegmentMagic = 0x6d676553;  // "Segm"
inline constexpr uint64_t kSegmentHeaderSize = 64;
inline constexpr uint64_t kSegmentMarkOffset = 56;  // within the header; not covered by its checksum
inline constexpr uint64_t kSegmentCrcOffset = 4;

struct SegmentHeader {
  // Drawn at random each time a segment is taken into use; seeds the checksums of its entries and marks, so that what an
  // earlier use left behind is never believed. Random and not counted: a counter could be rolled back with the rest, and
  // then meet its own leftovers.
  uint32_t incarnation = 0;
  uint32_t run_length = 1;  // segments in this run
  uint64_t birth_epoch = 0;
  uint32_t index = 0;  // of the segment in the file: a header read from elsewhere is not believed

  static constexpr size_t kSize = kSegmentMarkOffset;  // without the mark
};

void encode(const SegmentHeader& header, uint32_t file_seed, std::byte (&bytes)[SegmentHeader::kSize]);
bool decode(const std::byte* bytes, uint32_t file_seed, SegmentHeader* header);

// The trailer: the last 8 bytes of a segment (or run). It holds the incarnation a second time, so that a damaged header
// does not take with it every entry of the segment: nothing but salvage and verification looks at it. It is void, a word of
// zeros, where there is nothing in use.
inline constexpr uint64_t kSegmentTrailerSize = 8;
// What a segment needs besides its entries and their marks.
inline constexpr uint64_t kSegmentOverhead = kSegmentHeaderSize + kSegmentTrailerSize;

// `segment`: the one that it lies in, of a run the last.
uint64_t encode_trailer(uint32_t file_seed, uint32_t segment, uint32_t incarnation);
bool decode_trailer(uint64_t word, uint32_t file_seed, uint32_t segment, uint32_t* incarnation);

// ---- Entry header: 32 bytes, then key, data, slack --------------------------------------------------------------------------

enum class Kind : uint8_t {
  kPlain = 0,      // addressed by its address only
  kIntKey = 1,     // key: 8 bytes, two's complement
  kStringKey = 2,  // key: UTF-8 (lone surrogates as in WTF-8)
  kRedoList = 3,   // internal: stores to repeat after a kill; never live, has no slot
};

struct EntryHeader {
  uint32_t crc = 0;  // over the rest of the header, key and data; seeded by place. Never 0 in a published entry.
  uint32_t data_size = 0;
  uint32_t capacity = 0;  // bytes available to the data; data_size <= capacity; a multiple of 8 less the key's padding
  uint32_t slot = kNoSlot;
  uint32_t generation = 0;
  Kind kind = Kind::kPlain;
  uint64_t epoch = 0;    // in which this version was written
  uint32_t version = 0;  // grows with each version of the same address
  uint16_t ordinal = 0;  // of the entry within its segment: where its mark is
  uint16_t key_size = 0;

  static constexpr size_t kSize = 32;
  static constexpr size_t kKeySizeOffset = 30;
  // Header, key and data: what the checksum covers. The slack comes behind it.
  uint64_t used_size() const { return kSize + key_size + static_cast<uint64_t>(data_size); }
  uint64_t total_size() const { return align8(kSize + key_size + static_cast<uint64_t>(capacity)); }
  Address address() const { return {slot, generation}; }
};

inline constexpr uint32_t kMaxOrdinals = 0x10000;

struct StoredEntryHeader {
  uint32_t crc, data_size, capacity, slot;
  uint32_t tag;  // generation (21 bits), kind (3 bits), the epoch's upper 8 bits
  uint32_t epoch_low, version;
  uint16_t ordinal, key_size;
};
static_assert(sizeof(StoredEntryHeader) == EntryHeader::kSize);

// These two here, because every change encodes a header, and opening decodes every header of a file.
inline void encode(const EntryHeader& h, std::byte (&bytes)[EntryHeader::kSize]) {
  const uint32_t tag = (h.generation & kGenerationMask) | static_cast<uint32_t>(h.kind) << kGenerationBits |
                       static_cast<uint32_t>(h.epoch >> 32) << 24;
  const StoredEntryHeader stored = {h.crc,     h.data_size, h.capacity, h.slot, tag, static_cast<uint32_t>(h.epoch),
                                    h.version, h.ordinal,   h.key_size};
  std::memcpy(bytes, &stored, sizeof stored);
}

inline EntryHeader decode_entry_header(const std::byte* bytes) {
  StoredEntryHeader stored;
  std::memcpy(&stored, bytes, sizeof stored);
  EntryHeader h;
  h.crc = stored.crc;
  h.data_size = stored.data_size;
  h.capacity = stored.capacity;
  h.slot = stored.slot;
  h.generation = stored.tag & kGenerationMask;
  h.kind = static_cast<Kind>(stored.tag >> kGenerationBits & 7);
  h.epoch = static_cast<uint64_t>(stored.tag >> 24) << 32 | stored.epoch_low;
  h.version = stored.version;
  h.ordinal = stored.ordinal;
  h.key_size = stored.key_size;
  return h;
}

// No header straddles a sector: the first offset at or after `offset` (8-aligned) at which one may start.
inline constexpr uint64_t entry_start(uint64_t offset) {
  const uint64_t within = offset & (kSector - 1);
  return within > kSector - EntryHeader::kSize ? offset - within + kSector : offset;
}

// Checksum of an entry: `header_bytes` (its first four bytes, the checksum itself, are left out), key and data.
inline uint32_t entry_seed(uint32_t file_seed, uint64_t offset, uint32_t incarnation) {
  // Multiplication spreads the place over all bits; the checksum that follows does the rest.
  const uint64_t x = (offset ^ static_cast<uint64_t>(incarnation) << 32 ^ incarnation) * 0x9e3779b97f4a7c15ull;
  return static_cast<uint32_t>(x >> 32) ^ file_seed;
}
uint32_t entry_crc(uint32_t seed, const std::byte* header_bytes, const void* key, size_t key_size, const void* data,
                   size_t data_size);

// Offset of the mark of entry `ordinal` in the run [start, start + length): a table that grows down from its trailer.
inline constexpr uint64_t mark_offset(uint64_t run_end, uint32_t ordinal) {
  return run_end - kSegmentTrailerSize - 8 * (static_cast<uint64_t>(ordinal) + 1);
}

// ---- Journal: stores to repeat if the process dies between them -------------------------------------------------------------

enum class JournalKind : uint32_t {
  kEntry = 0,     // payload: offset (8 bytes), then the entry (header, key, data) to be stored there
  kStores = 1,    // payload: a list of stores
  kRedoList = 2,  // payload: offset (8 bytes) of an entry of Kind::kRedoList, whose data is a list of stores
};

struct JournalHeader {
  uint32_t state = 0;  // 1: armed; stored last, with release; 0: nothing to do
  uint32_t crc = 0;    // over kind, length and payload (of kEntry: without key and data), seeded by the file
  uint32_t length = 0;
  JournalKind kind = JournalKind::kStores;

  static constexpr size_t kSize = 16;
};

// One store in a list: this header, then `length` bytes, padded to 8.
struct JournalStore {
  uint64_t offset = 0;
  uint32_t length = 0;

  static constexpr size_t kSize = 16;
};

void encode(const JournalStore& store, std::byte* bytes);
JournalStore decode_journal_store(const std::byte* bytes);

// Seeds every checksum of a file, so that bytes of another file are never believed.
uint32_t file_seed(const Uuid& file_id);

}  // namespace mmcb
