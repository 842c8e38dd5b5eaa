// Journal: what recovery repeats, and above all what it does not. Records are built by hand in a file image in memory.
#include "core/journal.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "core/format.h"
#include "core/stores.h"
#include "support/engine_fixture.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

constexpr uint64_t kHead = head_size(kMinSegmentSize, kMinJournalSize);
constexpr uint64_t kFileSize = kHead + 2 * kMinSegmentSize;
constexpr uint64_t kPayload = kJournalOffset + JournalHeader::kSize;

// A file of two segments; the first is in use.
struct Image {
  Image() : bytes(kFileSize) {
    superblock.segment_size = kMinSegmentSize;
    superblock.journal_size = kMinJournalSize;
    superblock.file_id.fill(7);
    seed = file_seed(superblock.file_id);
    put_segment(0, 0);
  }
  void put_segment(uint32_t number, uint32_t index) {
    SegmentHeader header;
    header.incarnation = kIncarnation;
    header.index = index;
    std::byte encoded[SegmentHeader::kSize];
    encode(header, seed, encoded);
    std::memcpy(at(kHead + number * uint64_t{kMinSegmentSize}), encoded, sizeof encoded);
  }
  std::byte* at(uint64_t offset) { return bytes.data() + offset; }
  bool replay() { return Journal::replay(bytes.data(), bytes.size(), superblock); }

  // Seals and arms what stands in the payload.
  void arm(JournalKind kind, uint32_t length, uint64_t covered) {
    store32(at(kJournalOffset + 8), length);
    store32(at(kJournalOffset + 12), static_cast<uint32_t>(kind));
    store32(at(kJournalOffset + 4), crc32c(seed, at(kJournalOffset + 8), 8 + covered));
    store32(at(kJournalOffset), 1);
  }
  void put_list(uint64_t position, const std::vector<std::byte>& list) {
    std::memcpy(at(position), list.data(), list.size());
  }
  // Encodes an entry for `offset` at `position`, with a checksum that holds there.
  EntryHeader put_entry(uint64_t position, uint64_t offset, Kind kind, const void* data, uint32_t size) {
    EntryHeader header;
    header.kind = kind;
    header.data_size = size;
    header.capacity = static_cast<uint32_t>(align8(size));
    std::byte encoded[EntryHeader::kSize];
    encode(header, encoded);
    header.crc = entry_crc(entry_seed(seed, offset, kIncarnation), encoded, nullptr, 0, data, size);
    std::memcpy(encoded, &header.crc, sizeof header.crc);
    std::memcpy(at(position), encoded, sizeof encoded);
    std::memcpy(at(position) + EntryHeader::kSize, data, size);
    return header;
  }
  // A record that an entry is to be stored at `offset`.
  void put_entry_record(uint64_t offset, uint32_t length_less = 0) {
    std::memcpy(at(kPayload), &offset, 8);
    put_entry(kPayload + 8, offset, Kind::kPlain, "four", 4);
    arm(JournalKind::kEntry, 8 + EntryHeader::kSize + 4 - length_less, 8 + EntryHeader::kSize);
  }
  void put_redo_record(uint64_t offset) {
    std::memcpy(at(kPayload), &offset, 8);
    arm(JournalKind::kRedoList, 8, 8);
  }

  static constexpr uint32_t kIncarnation = 99;
  Superblock superblock;
  uint32_t seed = 0;
  std::vector<std::byte> bytes;
};

void add_store(std::vector<std::byte>& list, uint64_t offset, const std::string& what) {
  const size_t at = list.size();
  list.resize(at + JournalStore::kSize + align8(what.size()));
  encode(JournalStore{offset, static_cast<uint32_t>(what.size())}, list.data() + at);
  std::memcpy(list.data() + at + JournalStore::kSize, what.data(), what.size());
}

// True when replay() refuses, and changes nothing.
bool refuses(Image image) {
  const std::vector<std::byte> before = image.bytes;
  return !image.replay() && image.bytes == before;
}

constexpr uint64_t kPlace = kHead + 128;

}  // namespace

TEST_CASE("a list of stores is repeated, whatever their length and alignment") {
  Image image;
  std::vector<std::byte> list;
  const std::pair<uint64_t, std::string> stores[] = {
      {kPlace, "12345678"}, {kPlace + 12, "12345678"}, {kPlace + 24, "1234"}, {kPlace + 30, "1234"},
      {kPlace + 40, "123"}, {kFileSize - 1, "x"},      {kFileSize, ""},
  };
  for (const auto& [offset, what] : stores) add_store(list, offset, what);
  image.put_list(kPayload, list);
  image.arm(JournalKind::kStores, static_cast<uint32_t>(list.size()), list.size());
  REQUIRE(image.replay());
  for (const auto& [offset, what] : stores) CHECK(std::memcmp(image.at(offset), what.data(), what.size()) == 0);
  // It stays armed: repeating it again does no harm.
  CHECK(Journal::is_armed(image.bytes.data()));
  CHECK(image.replay());
  store32(image.at(kJournalOffset), 0);
  CHECK(refuses(image));
}

TEST_CASE("a list is valid only when every store lies behind the head and inside the file") {
  const auto valid = [](uint64_t offset, const std::string& what) {
    std::vector<std::byte> list;
    add_store(list, offset, what);
    return Journal::list_is_valid(list.data(), list.size(), kHead, kFileSize);
  };
  CHECK(valid(kHead, "12345678"));
  CHECK(valid(kFileSize - 8, "12345678"));
  CHECK_FALSE(valid(kHead - 8, "12345678"));
  CHECK_FALSE(valid(kFileSize - 7, "12345678"));
  CHECK_FALSE(valid(kFileSize + 8, ""));
  CHECK_FALSE(valid(~0ull, "12345678"));
  std::vector<std::byte> list;
  add_store(list, kHead, "12345678");
  for (size_t length = 1; length < list.size(); length++) {
    CHECK_FALSE(Journal::list_is_valid(list.data(), length, kHead, kFileSize));
  }
  // A damaged list behind a checksum that holds is left alone as well.
  Image image;
  image.put_list(kPayload, list);
  image.arm(JournalKind::kStores, 20, 20);
  CHECK(refuses(image));
}

TEST_CASE("an entry is repeated at its place") {
  Image image;
  image.put_entry_record(kPlace);
  REQUIRE(image.replay());
  CHECK(std::memcmp(image.at(kPlace + EntryHeader::kSize), "four", 4) == 0);
  CHECK(load32(image.at(kPlace)) != 0);
}

TEST_CASE("a redo list is repeated from the entry that holds it") {
  Image image;
  std::vector<std::byte> list;
  add_store(list, kPlace + 1000, "12345678");
  image.put_entry(kPlace, kPlace, Kind::kRedoList, list.data(), static_cast<uint32_t>(list.size()));
  image.put_redo_record(kPlace);
  REQUIRE(image.replay());
  CHECK(std::memcmp(image.at(kPlace + 1000), "12345678", 8) == 0);

  SUBCASE("not if the entry is of another kind") {
    Image other;
    other.put_entry(kPlace, kPlace, Kind::kPlain, list.data(), static_cast<uint32_t>(list.size()));
    other.put_redo_record(kPlace);
    CHECK(refuses(other));
  }
  SUBCASE("not if the list leads outside") {
    Image other;
    std::vector<std::byte> outside;
    add_store(outside, kHead - 8, "12345678");
    other.put_entry(kPlace, kPlace, Kind::kRedoList, outside.data(), static_cast<uint32_t>(outside.size()));
    other.put_redo_record(kPlace);
    CHECK(refuses(other));
  }
  SUBCASE("not if a byte of it has changed") {
    Image other;
    other.put_entry(kPlace, kPlace, Kind::kRedoList, list.data(), static_cast<uint32_t>(list.size()));
    other.put_redo_record(kPlace);
    *other.at(kPlace + EntryHeader::kSize + 3) ^= std::byte{1};
    CHECK(refuses(other));
  }
}

TEST_CASE("a record that is damaged or out of bounds is left alone") {
  Image image;
  SUBCASE("longer than the journal") { image.arm(JournalKind::kStores, kMinJournalSize - 15, 0); }
  SUBCASE("shorter than what its checksum covers") { image.arm(JournalKind::kEntry, 39, 40); }
  SUBCASE("with a checksum that does not hold") {
    image.put_entry_record(kPlace);
    *image.at(kPayload) ^= std::byte{1};
  }
  SUBCASE("too short to name an entry") { image.arm(JournalKind::kRedoList, 4, 4); }
  SUBCASE("for the head") { image.put_entry_record(kHead - 64); }
  SUBCASE("for an odd place") { image.put_entry_record(kPlace + 4); }
  SUBCASE("for a place behind the end") { image.put_entry_record(kFileSize - 24); }
  SUBCASE("for a place too near to the end") {
    image.put_segment(1, 1);
    image.put_entry_record(kFileSize - 32);
  }
  SUBCASE("for a segment that is not in use") { image.put_entry_record(kPlace + kMinSegmentSize); }
  SUBCASE("for a segment with another's header") {
    image.put_segment(1, 0);
    image.put_entry_record(kPlace + kMinSegmentSize);
  }
  SUBCASE("cut short") { image.put_entry_record(kPlace, 1); }
  SUBCASE("with data that has changed") {
    image.put_entry_record(kPlace);
    *image.at(kPayload + 8 + EntryHeader::kSize) ^= std::byte{1};
  }
  CHECK(refuses(image));
}

TEST_CASE("a store in memory has no journal, and nothing is too large for it") {
  Journal journal;
  journal.initialize(nullptr, 0, kMinJournalSize, false);
  CHECK(journal.fits_entry(1 << 30));
  CHECK(journal.fits_list(1 << 30));
  // No volume is touched.
  const std::byte header[EntryHeader::kSize] = {};
  journal.arm_entry(kPlace, header, nullptr, 0, nullptr, 0);
  journal.arm_stores(nullptr, 0);
  journal.arm_redo_list(kPlace);
  journal.clear();
  journal.initialize(nullptr, 0, kMinJournalSize, true);
  CHECK(journal.fits_entry(kMinJournalSize - 24));
  CHECK_FALSE(journal.fits_entry(kMinJournalSize - 23));
  CHECK(journal.fits_list(kMinJournalSize - 16));
  CHECK_FALSE(journal.fits_list(kMinJournalSize - 15));
}
