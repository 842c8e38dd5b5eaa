#include "core/format.h"

#include <cstring>

#include "core/checksum.h"
#include "core/step.h"

namespace mmcb {
namespace {

// Writes and reads fields one after another, so that each layout below reads like its table in docs/format.md.
class Writer {
 public:
  explicit Writer(std::byte* at) : at_(at) {}
  template <typename T>
  Writer& put(const T& value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
    return *this;
  }

 private:
  std::byte* at_;
};

class Reader {
 public:
  explicit Reader(const std::byte* at) : at_(at) {}
  template <typename T>
  Reader& get(T* value) {
    std::memcpy(value, at_, sizeof *value);
    at_ += sizeof *value;
    return *this;
  }

 private:
  const std::byte* at_;
};

// Never 0: that says "being written".
uint32_t superblock_crc(const std::byte* bytes) {
  const uint32_t crc = crc32c(0, bytes, Superblock::kCrcOffset);
  return crc == 0 ? 1 : crc;
}

bool in_bounds(const Superblock& s) {
  const bool power_of_two = s.segment_size != 0 && (s.segment_size & (s.segment_size - 1)) == 0;
  return power_of_two && s.segment_size >= kMinSegmentSize && s.segment_size <= kMaxSegmentSize &&
         s.journal_size >= kMinJournalSize && s.journal_size <= kMaxSegmentSize && s.journal_size % kSector == 0 &&
         s.durable_epoch <= kMaxEpoch && s.generation_floor <= kGenerationMask;
}

}  // namespace

void encode(const Superblock& s, std::byte (&bytes)[Superblock::kSize]) {
  std::memset(bytes, 0, sizeof bytes);
  Writer(bytes)
      .put(kFileMagic)
      .put(s.format_version)
      .put(s.segment_size)
      .put(s.file_id)
      .put(s.sequence)
      .put(s.durable_epoch)
      .put(s.flags)
      .put(s.segment_count)
      .put(s.journal_size)
      .put(s.generation_floor)
      .put(s.boot_id)
      .put(s.identity.device)
      .put(s.identity.inode)
      .put(s.live_count)
      .put(s.live_digest)
      .put(s.slot_count)
      .put(uint32_t{0})
      .put(s.created_ms)
      .put(s.damage.first_ms)
      .put(s.damage.last_ms)
      .put(s.damage.places)
      .put(s.damage.lost);
  Writer(bytes + Superblock::kCrcOffset).put(superblock_crc(bytes));
}

SuperblockVerdict decode(const std::byte* bytes, Superblock* s) {
  std::array<uint8_t, 8> magic;
  uint32_t reserved;
  Reader(bytes)
      .get(&magic)
      .get(&s->format_version)
      .get(&s->segment_size)
      .get(&s->file_id)
      .get(&s->sequence)
      .get(&s->durable_epoch)
      .get(&s->flags)
      .get(&s->segment_count)
      .get(&s->journal_size)
      .get(&s->generation_floor)
      .get(&s->boot_id)
      .get(&s->identity.device)
      .get(&s->identity.inode)
      .get(&s->live_count)
      .get(&s->live_digest)
      .get(&s->slot_count)
      .get(&reserved)
      .get(&s->created_ms)
      .get(&s->damage.first_ms)
      .get(&s->damage.last_ms)
      .get(&s->damage.places)
      .get(&s->damage.lost);
  s->damage.is_set = (s->flags & kFlagDamaged) != 0;
  if (magic != kFileMagic) return SuperblockVerdict::kForeign;
  uint32_t crc;
  Reader(bytes + Superblock::kCrcOffset).get(&crc);
  // The place and the seed of the checksum are the same in every format version: a newer file is told from a damaged one.
  if (crc == 0) return SuperblockVerdict::kUnfinished;
  if (crc != superblock_crc(bytes)) return SuperblockVerdict::kDamaged;
  if (s->format_version > kFormatVersion) return SuperblockVerdict::kNewer;
  if (s->format_version == 0) return SuperblockVerdict::kDamaged;
  return in_bounds(*s) ? SuperblockVerdict::kValid : SuperblockVerdict::kDamaged;
}

SuperblockVerdict decode_in_place(const std::byte* file, size_t place, Superblock* s) {
  const SuperblockVerdict verdict = decode(file + kSuperblockOffset[place], s);
  const bool misplaced = verdict == SuperblockVerdict::kValid && (s->sequence & 1) != place;
  return misplaced ? SuperblockVerdict::kDamaged : verdict;
}

bool is_predecessor(const Superblock& other, const Superblock& newest) {
  return other.file_id == newest.file_id && other.segment_size == newest.segment_size &&
         other.journal_size == newest.journal_size && other.sequence + 1 == newest.sequence;
}

namespace {

// Never 0, so that a header whose checksum was set to 0 is void.
uint32_t segment_crc(uint32_t seed, const std::byte* bytes) {
  const uint32_t crc = crc32c(seed, bytes + 8, SegmentHeader::kSize - 8);
  return crc == 0 ? 1 : crc;
}

}  // namespace

void encode(const SegmentHeader& h, uint32_t seed, std::byte (&bytes)[SegmentHeader::kSize]) {
  std::memset(bytes, 0, sizeof bytes);
  Writer(bytes + 8).put(h.incarnation).put(h.run_length).put(h.birth_epoch).put(h.index);
  Writer(bytes).put(kSegmentMagic).put(segment_crc(seed, bytes));
}

bool decode(const std::byte* bytes, uint32_t seed, SegmentHeader* h) {
  uint32_t magic;
  uint32_t crc;
  Reader(bytes).get(&magic).get(&crc).get(&h->incarnation).get(&h->run_length).get(&h->birth_epoch).get(&h->index);
  return magic == kSegmentMagic && crc == segment_crc(seed, bytes) && h->run_length >= 1 && h->birth_epoch <= kMaxEpoch;
}

namespace {

// Never 0, so that a word of zeros is no trailer.
uint32_t trailer_check(uint32_t file_seed, uint32_t segment, uint32_t incarnation) {
  uint64_t x = (static_cast<uint64_t>(segment) << 32 | incarnation) ^ (static_cast<uint64_t>(file_seed) << 16);
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
  const auto check = static_cast<uint32_t>(x >> 32);
  return check == 0 ? 1 : check;
}

}  // namespace

uint64_t encode_trailer(uint32_t file_seed, uint32_t segment, uint32_t incarnation) {
  return static_cast<uint64_t>(trailer_check(file_seed, segment, incarnation)) << 32 | incarnation;
}

bool decode_trailer(uint64_t word, uint32_t file_seed, uint32_t segment, uint32_t* incarnation) {
  *incarnation = static_cast<uint32_t>(word);
  return word == encode_trailer(file_seed, segment, *incarnation);
}

uint32_t entry_crc(uint32_t seed, const std::byte* header_bytes, const void* key, size_t key_size, const void* data,
                   size_t data_size) {
  static_assert(kChecksumHead == EntryHeader::kSize - 4);
  const uint32_t crc = crc32c_with_head(seed, header_bytes + 4, key, key_size, data, data_size);
  return crc == 0 ? 1 : crc;
}

void encode(const JournalStore& store, std::byte* bytes) {
  Writer(bytes).put(store.offset).put(store.length).put(uint32_t{0});
}

JournalStore decode_journal_store(const std::byte* bytes) {
  JournalStore store;
  Reader(bytes).get(&store.offset).get(&store.length);
  return store;
}

uint32_t file_seed(const Uuid& file_id) { return crc32c(0x6d6d6362, file_id.data(), file_id.size()); }

}  // namespace mmcb
