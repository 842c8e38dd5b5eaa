#include "fuzz/image_edits.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/checksum.h"
#include "core/digest.h"
#include "core/walk.h"

namespace mmcb::fuzz {
namespace {

template <typename T>
T load(const Image& image, uint64_t offset) {
  T value{};
  if (offset < image.size() && sizeof value <= image.size() - offset)
    std::memcpy(&value, image.data() + offset, sizeof value);
  return value;
}

template <typename T>
void store(Image* image, uint64_t offset, T value) {
  if (offset < image->size() && sizeof value <= image->size() - offset)
    std::memcpy(image->data() + offset, &value, sizeof value);
}

// Fields by offset and width.
struct Field {
  uint8_t offset;
  uint8_t width;
};
constexpr Field kSuperblockFields[] = {{0, 8},  {8, 4},  {12, 4},  {16, 4},  {32, 8}, {40, 8},
                                       {48, 4}, {52, 4}, {56, 4},  {60, 4},  {64, 1}, {80, 8},
                                       {88, 8}, {96, 8}, {104, 8}, {112, 4}, {252, 4}};
constexpr Field kSegmentFields[] = {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 8}, {24, 4}, {56, 8}};
constexpr Field kEntryFields[] = {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 4}, {20, 4}, {24, 4}, {28, 2}, {30, 2}};
constexpr Field kStateFields[] = {{0, 8}, {8, 8}, {16, 8}, {24, 8}};
constexpr Field kJournalFields[] = {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 8}, {24, 4}, {32, 8}, {40, 4}};

// One edit, as it stands in the input.
struct Edit {
  uint8_t type;
  uint8_t field;
  uint16_t target;
  uint32_t value;
};

Edit next_edit(Input& input) {
  Edit edit{};
  edit.type = input.u8();
  edit.field = input.u8();
  edit.target = input.u16();
  edit.value = input.u32();
  return edit;
}

// Values that limits are made of, besides those that the input spells out.
uint64_t value_of(const Edit& edit, uint64_t old, uint8_t width) {
  const uint64_t v = edit.value;
  switch (edit.field >> 5) {
    case 0: return v;
    case 1: return old + v;
    case 2: return old - v;
    case 3: return ~0ull >> (v & 63);
    case 4: return 1ull << (v % (8 * width));
    case 5: return old ^ 1ull << (v % (8 * width));
    case 6: return v << 32 | v;
    default: return v << 8;
  }
}

void set_field(const Edit& edit, uint64_t at, Field field, Image* image) {
  uint64_t old = 0;
  if (at + field.offset + field.width > image->size()) return;
  std::memcpy(&old, image->data() + at + field.offset, field.width);
  const uint64_t value = value_of(edit, old, field.width);
  std::memcpy(image->data() + at + field.offset, &value, field.width);
}

template <size_t N>
void set_field(const Edit& edit, uint64_t at, const Field (&fields)[N], Image* image) {
  set_field(edit, at, fields[(edit.field & 31) % N], image);
}

uint64_t mark_word(const Image& image, const BaseImage& base, const Spot& spot, uint32_t ordinal, uint64_t end_epoch) {
  const uint64_t start = base.head + uint64_t{spot.segment} * base.options.segment_size;
  return encode_mark(base.seed, spot.segment, load<uint32_t>(image, start + 8), ordinal, end_epoch);
}

// A copy of an entry in another place: the same address or key a second time.
void clone_entry(const Edit& edit, const Spot& from, const Spot& behind, const BaseImage& base, Image* image,
                 std::vector<Spot>* spots) {
  const uint64_t size = from.header.total_size();
  const uint64_t at = entry_start(behind.offset + behind.header.total_size());
  if (at + size > image->size() || at + size + 8 > behind.run_end) return;
  std::memmove(image->data() + at, image->data() + from.offset, size);
  const auto ordinal = static_cast<uint16_t>(behind.header.ordinal + 1 + (edit.value & 3));
  store(image, at + 28, ordinal);
  if ((edit.value & 4) != 0) store(image, at + 24, load<uint32_t>(*image, at + 24) + 1);
  if ((edit.value & 8) != 0) store(image, at + 12, edit.value >> 4);
  Spot spot{at, behind.segment, behind.run_end, behind.incarnation, decode_entry_header(image->data() + at)};
  store(image, mark_offset(spot.run_end, ordinal), mark_word(*image, base, spot, ordinal, 0));
  spots->push_back(spot);
}

// An armed record in the journal.
void arm_journal(const Edit& edit, const Spot& spot, Image* image) {
  const uint64_t payload = kJournalOffset + JournalHeader::kSize;
  const uint32_t kind = edit.field & 3;
  uint32_t length = 8;
  store(image, payload, spot.offset);
  if (kind == static_cast<uint32_t>(JournalKind::kEntry)) {
    const uint64_t size = EntryHeader::kSize + spot.header.key_size + uint64_t{spot.header.data_size};
    length = static_cast<uint32_t>(8 + size);
    if (payload + length <= kJournalOffset + kMinJournalSize && spot.offset + size <= image->size())
      std::memmove(image->data() + payload + 8, image->data() + spot.offset, size);
  } else if (kind == static_cast<uint32_t>(JournalKind::kStores)) {
    // Two stores: a checksum of 0, and a mark that does not hold.
    std::byte list[2][JournalStore::kSize + 8] = {};
    encode(JournalStore{spot.offset, 4}, list[0]);
    encode(JournalStore{mark_offset(spot.run_end, spot.header.ordinal), 8}, list[1]);
    std::memcpy(list[1] + JournalStore::kSize, &edit.value, sizeof edit.value);
    std::memcpy(image->data() + payload, list, sizeof list);
    length = sizeof list;
  }
  store(image, kJournalOffset + 8, (edit.value & 0x80000000) != 0 ? edit.value : length);
  store(image, kJournalOffset + 12, kind);
  store(image, kJournalOffset, uint32_t{1});
}

// ---- Putting right -----------------------------------------------------------------------------------------------------

void repair_superblocks(Image* image) {
  for (const uint64_t at : kSuperblockOffset) {
    if (at + Superblock::kSize > image->size() || std::memcmp(image->data() + at, kFileMagic.data(), 8) != 0) continue;
    // Slots that were ever used cost eight bytes each at opening, and cannot be told from a forged number: a file that says
    // four thousand million of them is slow, and takes 32 GiB, but is not what is looked for here.
    store(image, at + 112, load<uint32_t>(*image, at + 112) & 0xfffff);
    const uint32_t crc = crc32c(0, image->data() + at, Superblock::kSize - 4);
    store(image, at + Superblock::kSize - 4, crc == 0 ? 1u : crc);
  }
}

void repair_segments(const BaseImage& base, bool marks, Image* image) {
  for (uint64_t at = base.head; at + kSegmentHeaderSize <= image->size(); at += base.options.segment_size) {
    if (load<uint32_t>(*image, at) != kSegmentMagic) continue;
    const auto index = static_cast<uint32_t>((at - base.head) / base.options.segment_size);
    const uint32_t crc = crc32c(base.seed, image->data() + at + 8, SegmentHeader::kSize - 8);
    store(image, at + kSegmentCrcOffset, crc == 0 ? 1u : crc);
    if (!marks) continue;
    const uint64_t mark = load<uint64_t>(*image, at + kSegmentMarkOffset);
    store(image, at + kSegmentMarkOffset,
          encode_mark(base.seed, index, load<uint32_t>(*image, at + 8), kSegmentOrdinal, mark >> 24));
  }
}

void repair_entries(const BaseImage& base, const std::vector<Spot>& spots, bool checksums, bool marks, Image* image) {
  for (const Spot& spot : spots) {
    if (spot.offset + EntryHeader::kSize > image->size()) continue;
    const EntryHeader h = decode_entry_header(image->data() + spot.offset);
    const uint64_t size = EntryHeader::kSize + h.key_size + uint64_t{h.data_size};
    if (checksums && h.crc != 0 && size <= image->size() - spot.offset) {
      const uint64_t start = base.head + uint64_t{spot.segment} * base.options.segment_size;
      const std::byte* const at = image->data() + spot.offset;
      const std::byte* const key = at + EntryHeader::kSize;
      store(image, spot.offset,
            entry_crc(entry_seed(base.seed, spot.offset, load<uint32_t>(*image, start + 8)), at, key, h.key_size,
                      key + h.key_size, h.data_size));
    }
    const uint64_t at = mark_offset(spot.run_end, h.ordinal);
    if (marks && at + 8 <= image->size())
      store(image, at, mark_word(*image, base, spot, h.ordinal, load<uint64_t>(*image, at) >> 24));
  }
}

void repair_journal(const BaseImage& base, Image* image) {
  const uint32_t length = load<uint32_t>(*image, kJournalOffset + 8);
  const uint32_t kind = load<uint32_t>(*image, kJournalOffset + 12);
  const uint64_t covered = kind == 0 ? 8 + EntryHeader::kSize : length;
  if (covered > base.options.journal_size - JournalHeader::kSize) return;
  if (kJournalOffset + JournalHeader::kSize + covered > image->size()) return;
  store(image, kJournalOffset + 4, crc32c(base.seed, image->data() + kJournalOffset + 8, 8 + covered));
}

// Digest and count of what a reading of the image finds, roughly: enough for a strict opening to come past them.
void repair_digests(const BaseImage& base, Image* image) {
  for (const bool newest : {false, true}) {
    for (const uint64_t place : kSuperblockOffset) {
      const uint64_t limit = newest ? kMaxEpoch : load<uint64_t>(*image, place + 40);
      const WalkContext context{image->data(), base.seed, base.options.segment_size, base.head};
      const auto count = static_cast<uint32_t>((image->size() - base.head) / base.options.segment_size);
      std::map<uint32_t, EntryHeader> live;
      for (uint32_t i = 0; i < count;) {
        SegmentHeader segment;
        Mark mark;
        if (!read_segment(context, i, count, &segment, &mark) || segment.birth_epoch > limit ||
            (mark.valid && mark.end_epoch != 0 && mark.end_epoch <= limit)) {
          i++;
          continue;
        }
        walk_run(context, i, segment, ~0ull, [&](const WalkedEntry& entry) {
          const EntryHeader& h = entry.header;
          if (h.kind == Kind::kRedoList || h.epoch > limit || !entry.mark.valid) return;
          if (entry.mark.end_epoch != 0 && entry.mark.end_epoch <= limit) return;
          const auto [at, fresh] = live.emplace(h.slot, h);
          const uint64_t rank = uint64_t{h.generation} << 32 | h.version;
          if (!fresh && rank > (uint64_t{at->second.generation} << 32 | at->second.version)) at->second = h;
        });
        i += segment.run_length;
      }
      uint64_t digest = 0;
      for (const auto& [slot, header] : live) digest += digest_of(header);
      if (newest) {
        store(image, kStateDigest, digest);
      } else {
        store(image, place + 96, uint64_t{live.size()});
        store(image, place + 104, digest);
      }
    }
  }
}

}  // namespace

Damage damage_image(Input& input, const BaseImage& base, Image* image) {
  Damage damage;
  for (size_t n = 0; n < kMaxEdits && !input.empty(); n++) {
    const Edit edit = next_edit(input);
    const uint64_t sectors = std::max<uint64_t>(image->size() / kSector, 1);
    const uint64_t at = edit.target % sectors * kSector;
    const uint64_t length = std::min<uint64_t>(kSector * (1 + (edit.field >> 4) % 8), image->size() - at);
    explain("damage %u at %llu, %llu bytes (field %u, value %u)", edit.type % 8, static_cast<unsigned long long>(at),
            static_cast<unsigned long long>(length), edit.field, edit.value);
    std::byte* const sector = image->data() + at;
    damage.any = true;
    switch (edit.type % 8) {
      case 0:
      case 1: sector[edit.value % length] ^= static_cast<std::byte>(1u << edit.field % 8); break;
      case 2: std::memset(sector, 0, length); break;
      case 3: std::memset(sector, 0xff, length); break;
      case 4: {
        const uint64_t from = edit.value % sectors * kSector;
        std::memmove(sector, image->data() + from, std::min<uint64_t>(length, image->size() - from));
        break;
      }
      case 5: {
        // Lost writes.
        const uint64_t there = base.older.size() > at ? std::min<uint64_t>(length, base.older.size() - at) : 0;
        if (there != 0) std::memcpy(sector, base.older.data() + at, there);
        damage.older = true;
        break;
      }
      case 6: {
        Dice dice(edit.value);
        for (uint64_t i = edit.value % length; i < length; i++) sector[i] = static_cast<std::byte>(dice.next() >> 40);
        break;
      }
      default:
        // Not to nothing: an empty file is a new file.
        if (edit.field < 64) image->resize(std::max(at, kSector));
        damage.truncated = true;
        break;
    }
  }
  return damage;
}

void forge_image(Input& input, const BaseImage& base, uint8_t repairs, Image* image) {
  std::vector<Spot> spots = base.spots;
  for (size_t n = 0; n < kMaxEdits && !input.empty(); n++) {
    const Edit edit = next_edit(input);
    const bool has_spots = !spots.empty();
    const Spot spot = has_spots ? spots[edit.target % spots.size()] : Spot{};
    const uint64_t segment =
        base.head + edit.target % std::max<uint64_t>(base.segments(), 1) * base.options.segment_size;
    explain("forge %u: field %u, target %u (entry at %llu, segment at %llu), value %u", edit.type % 12, edit.field,
            edit.target, static_cast<unsigned long long>(spot.offset), static_cast<unsigned long long>(segment),
            edit.value);
    switch (edit.type % 12) {
      case 0: set_field(edit, kSuperblockOffset[edit.target & 1], kSuperblockFields, image); break;
      case 1: set_field(edit, segment, kSegmentFields, image); break;
      case 2:
      case 3:
        if (has_spots) set_field(edit, spot.offset, kEntryFields, image);
        break;
      case 4: set_field(edit, kStateOffset, kStateFields, image); break;
      case 5: set_field(edit, kJournalOffset, kJournalFields, image); break;
      case 6:
        // The mark of an entry: live, ended at some epoch, or anything.
        if (has_spots) {
          const uint64_t word = mark_word(*image, base, spot, spot.header.ordinal, edit.value & 0xff);
          store(image, mark_offset(spot.run_end, spot.header.ordinal), word ^ (edit.field & 1u));
        }
        break;
      case 7:
        if (has_spots) clone_entry(edit, spot, spots[edit.field % spots.size()], base, image, &spots);
        break;
      case 8:
        if (has_spots && image->size() > kJournalOffset + kMinJournalSize) arm_journal(edit, spot, image);
        break;
      case 9: {
        // Anywhere.
        const uint64_t at = (uint64_t{edit.target} * 8 + (edit.field & 7)) % image->size();
        store(image, at, edit.value);
        break;
      }
      case 10: {
        // A file longer or shorter by some bytes, or by whole segments.
        const uint64_t by = (edit.field & 1) != 0 ? edit.value % 5000 : edit.value % 8 * base.options.segment_size;
        const uint64_t size = (edit.field & 2) != 0 ? image->size() + by : image->size() - std::min(by, image->size());
        image->resize(std::clamp<uint64_t>(size, kSector, Machine::kCapacity / 2));
        break;
      }
      default: {
        // One part over another.
        const uint64_t to = uint64_t{edit.target} * 8 % image->size();
        const uint64_t from = uint64_t{edit.value} * 8 % image->size();
        const uint64_t length = std::min<uint64_t>(edit.field * 16u, image->size() - std::max(to, from));
        std::memmove(image->data() + to, image->data() + from, length);
        break;
      }
    }
  }
  if ((repairs & kRepairSegments) != 0) repair_segments(base, (repairs & kRepairMarks) != 0, image);
  repair_entries(base, spots, (repairs & kRepairEntries) != 0, (repairs & kRepairMarks) != 0, image);
  if ((repairs & kRepairJournal) != 0) repair_journal(base, image);
  if ((repairs & kRepairDigests) != 0 && image->size() > base.head) repair_digests(base, image);
  if ((repairs & kRepairSuperblocks) != 0) repair_superblocks(image);
}

}  // namespace mmcb::fuzz
