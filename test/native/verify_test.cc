// Verification: each thing that can be wrong with an open file is put wrong, one at a time, in the file (through a second
// descriptor, as a disk or another program would) or in memory; verify() has to say so, and what it says has to fit.
#include "core/verify.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/stores.h"
#include "support/engine_fixture.h"

namespace mmcb {

// What tests may reach into an engine for.
struct EngineInternals {
  static Segments& segments(Engine& e) { return e.segments_; }
  static SlotTable& slots(Engine& e) { return e.slots_; }
  static KeyIndex& ints(Engine& e) { return e.ints_; }
  static std::byte* at(Engine& e, uint64_t offset) { return e.volume_.at(offset); }
  static uint32_t seed(Engine& e) { return e.seed_; }
  static uint64_t current_superblock(Engine& e) { return kSuperblockOffset[e.superblock_.sequence & 1]; }
  static uint64_t other_superblock(Engine& e) { return kSuperblockOffset[(e.superblock_.sequence + 1) & 1]; }
};

}  // namespace mmcb

using namespace mmcb;
using namespace mmcb::test;

namespace {

using Internals = EngineInternals;

// A file with entries of all kinds, dead ones, an ended and a free segment; open while it is damaged.
class Patient {
 public:
  Patient() : path_(folder_.path("a.mmcb")), store_(path_, roomy()) {
    for (int i = 0; i < 300; i++) {
      Address address;
      REQUIRE(store_->add(bytes(random_text(100, i)), &address).ok());
      plain.push_back(address);
      REQUIRE(store_->set(IntKey(i), bytes(random_text(60, i)), nullptr).ok());
      REQUIRE(store_->set(string_key("key " + std::to_string(i)), bytes(random_text(70, i)), nullptr).ok());
    }
    Address run;
    REQUIRE(store_->add(bytes(random_text(40000, 1)), &run).ok());
    REQUIRE(store_.sync().ok());
    for (int i = 0; i < 300; i += 3) REQUIRE(store_->remove(plain[i]).ok());
    REQUIRE(store_.sync().ok());
    REQUIRE(store_->remove(run).ok());  // ended, and not durably so: its segments are on hold
    file_ = ::open(path_.c_str(), O_RDWR);
    REQUIRE(file_ >= 0);
  }
  ~Patient() { ::close(file_); }

  Engine& engine() { return *store_; }
  uint64_t offset_of(Address address) {
    EntryInfo info;
    REQUIRE(store_->info(address, &info).ok());
    return info.offset;
  }
  uint64_t mark_of(Address address) {
    EntryInfo info;
    REQUIRE(store_->info(address, &info).ok());
    const Segments& segments = Internals::segments(engine());
    return mark_offset(segments.end_of(segments.index_of(info.offset)), info.header.ordinal);
  }
  uint32_t segment_in(Segment::State state) {
    const Segments& segments = Internals::segments(engine());
    for (uint32_t i = 0; i < segments.count(); i++) {
      if (segments.at(i).state == state) return i;
    }
    FAIL("no such segment");
    return 0;
  }
  uint64_t start_of(uint32_t segment) { return Internals::segments(engine()).offset_of(segment); }

  // Stores into the file behind the engine's back.
  template <typename T>
  void store(uint64_t offset, const T& value) {
    REQUIRE(::pwrite(file_, &value, sizeof value, static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof value));
  }
  void flip(uint64_t offset) {
    char byte = 0;
    REQUIRE(::pread(file_, &byte, 1, static_cast<off_t>(offset)) == 1);
    store(offset, static_cast<char>(byte ^ 4));
  }

  VerifyReport verify() {
    VerifyReport report;
    REQUIRE(Verifier(engine()).run(nullptr, &report).ok());
    return report;
  }

  std::vector<Address> plain;

 private:
  // With free segments left.
  static Options roomy() {
    Options options = small_options();
    options.initial_size = 512 << 10;
    return options;
  }

  TemporaryFolder folder_;
  std::string path_;
  EngineUnderTest store_;
  int file_ = -1;
};

bool says(const VerifyReport& report, const std::string& text) {
  for (const VerifyError& error : report.errors) {
    if (error.message.find(text) != std::string::npos) return true;
  }
  return false;
}

struct Wrong {
  std::string what;
  std::function<void(Patient&)> harm;
  const char* message;
};

uint64_t mark_word(Patient& p, uint32_t segment, uint32_t ordinal, uint64_t end_epoch) {
  return encode_mark(Internals::seed(p.engine()), segment, Internals::segments(p.engine()).at(segment).incarnation,
                     ordinal, end_epoch);
}

EntryInfo info_of(Patient& p, Address address) {
  EntryInfo info;
  REQUIRE(p.engine().info(address, &info).ok());
  return info;
}

const std::vector<Wrong>& wrongs() {
  static const std::vector<Wrong> all = {
      {"the superblock in force", [](Patient& p) { p.flip(Internals::current_superblock(p.engine()) + 96); },
       "the superblock is damaged"},
      {"the other superblock", [](Patient& p) { p.flip(Internals::other_superblock(p.engine()) + 30); },
       "the other superblock is damaged"},
      {"a superblock where the other belongs",
       [](Patient& p) {
         std::array<std::byte, Superblock::kSize> copy;
         std::memcpy(copy.data(), Internals::at(p.engine(), Internals::other_superblock(p.engine())), copy.size());
         p.store(Internals::current_superblock(p.engine()), copy);
       },
       "the superblock is not the one that was written"},
      {"an armed journal", [](Patient& p) { p.store(kJournalOffset, uint32_t{1}); }, "the journal is armed"},
      {"the running digest", [](Patient& p) { p.flip(kStateDigest); }, "the digest in the state page"},
      {"a failed sync that was none", [](Patient& p) { p.store(kStateFailed, kFailedMark); }, "a sync failed"},
      {"a segment header", [](Patient& p) { p.flip(p.start_of(p.segment_in(Segment::State::kSealed)) + 9); },
       "the header of segment"},
      {"a segment's mark", [](Patient& p) { p.flip(p.start_of(p.segment_in(Segment::State::kSealed)) + 58); },
       "the mark of segment"},
      {"a segment's mark, forged",
       [](Patient& p) {
         const uint32_t segment = p.segment_in(Segment::State::kSealed);
         p.store(p.start_of(segment) + kSegmentMarkOffset, mark_word(p, segment, kSegmentOrdinal, 1));
       },
       "says that it has ended"},
      {"a segment's trailer", [](Patient& p) { p.flip(p.start_of(p.segment_in(Segment::State::kSealed) + 1) - 1); },
       "the trailer of segment"},
      {"an ended segment that comes back",
       [](Patient& p) {
         const uint32_t segment = p.segment_in(Segment::State::kEnded);
         p.store(p.start_of(segment) + kSegmentMarkOffset, mark_word(p, segment, kSegmentOrdinal, 0));
       },
       "has ended, and its mark does not say so"},
      {"a free segment that comes back",
       [](Patient& p) {
         const uint32_t segment = p.segment_in(Segment::State::kFree);
         std::array<std::byte, SegmentHeader::kSize> bytes;
         std::byte encoded[SegmentHeader::kSize];
         encode(SegmentHeader{7, 1, 1, segment}, Internals::seed(p.engine()), encoded);
         std::memcpy(bytes.data(), encoded, bytes.size());
         p.store(p.start_of(segment), bytes);
         p.store(p.start_of(segment) + kSegmentMarkOffset,
                 encode_mark(Internals::seed(p.engine()), segment, 7, kSegmentOrdinal, 0));
       },
       "is free, and its header says that it is in use"},
      {"the data of an entry", [](Patient& p) { p.flip(p.offset_of(p.plain[100]) + EntryHeader::kSize + 50); },
       "the checksum of a live entry does not hold"},
      {"the header of an entry", [](Patient& p) { p.flip(p.offset_of(p.plain[100]) + 12); },
       "an address leads to no entry"},
      {"the mark of an entry", [](Patient& p) { p.flip(p.mark_of(p.plain[100]) + 2); },
       "the mark of an entry is damaged"},
      {"an entry whose mark says that it is gone",
       [](Patient& p) {
         const EntryInfo info = info_of(p, p.plain[100]);
         p.store(p.mark_of(p.plain[100]),
                 mark_word(p, Internals::segments(p.engine()).index_of(info.offset), info.header.ordinal, 1));
       },
       "whole live entries and should hold"},
      {"a removed entry whose mark says that it is live",
       [](Patient& p) {
         const EntryInfo info = info_of(p, p.plain[100]);
         REQUIRE(p.engine().remove(p.plain[100]).ok());
         const Segments& segments = Internals::segments(p.engine());
         const uint32_t segment = segments.index_of(info.offset);
         p.store(mark_offset(segments.end_of(segment), info.header.ordinal),
                 mark_word(p, segment, info.header.ordinal, 0));
       },
       "a live entry cannot be reached by its address"},
      {"two entries that changed places",
       [](Patient& p) {
         const uint64_t one = p.offset_of(p.plain[100]);
         const uint64_t two = p.offset_of(p.plain[101]);
         std::array<char, 132> bytes[2];
         std::memcpy(bytes[0].data(), Internals::at(p.engine(), one), 132);
         std::memcpy(bytes[1].data(), Internals::at(p.engine(), two), 132);
         p.store(one, bytes[1]);
         p.store(two, bytes[0]);
       },
       "an address leads to no entry"},
      {"a sector of zeros",
       [](Patient& p) { p.store(p.offset_of(p.plain[100]) / kSector * kSector, std::array<char, kSector>{}); },
       "an address leads to no entry"},
      {"a sector that belongs elsewhere",
       [](Patient& p) {
         std::array<char, kSector> bytes;
         std::memcpy(bytes.data(), Internals::at(p.engine(), p.offset_of(p.plain[200]) / kSector * kSector), kSector);
         p.store(p.offset_of(p.plain[100]) / kSector * kSector, bytes);
       },
       "an address leads to no entry"},

      {"memory: a slot that leads elsewhere",
       [](Patient& p) { Internals::slots(p.engine()).publish(p.plain[100], p.offset_of(p.plain[101])); },
       "an address leads to no entry"},
      {"memory: a slot that leads into another entry",
       [](Patient& p) { Internals::slots(p.engine()).publish(p.plain[100], p.offset_of(p.plain[101]) + 8); },
       "an address leads to no entry"},
      {"memory: a slot set free", [](Patient& p) { Internals::slots(p.engine()).release(p.plain[100]); },
       "a live entry cannot be reached by its address"},
      {"memory: a key that is missing",
       [](Patient& p) {
         KeyIndex& ints = Internals::ints(p.engine());
         const uint64_t word = KeyIndex::word_of_int(7);
         REQUIRE(ints.erase(word, ints.find(word, [](uint64_t) { return true; })));
       },
       "a live entry cannot be reached by its key"},
      {"memory: a key that leads elsewhere",
       [](Patient& p) {
         KeyIndex& ints = Internals::ints(p.engine());
         REQUIRE(ints.insert(KeyIndex::word_of_int(70000), p.offset_of(p.plain[100])).ok());
       },
       "a key leads to no entry that has it"},
      {"memory: live bytes",
       [](Patient& p) {
         Segment& s = Internals::segments(p.engine()).at(p.segment_in(Segment::State::kSealed));
         s.live_bytes += 8;
         s.slack_bytes -= 8;
       },
       "the live and slack bytes of segment"},
      {"memory: a segment too many in use",
       [](Patient& p) {
         Internals::segments(p.engine()).at(p.segment_in(Segment::State::kFree)).state = Segment::State::kTail;
       },
       "the list of free segments is not complete"},
  };
  return all;
}

}  // namespace

TEST_CASE("verify finds nothing wrong with a file in order, and says what it checked") {
  Patient patient;
  const VerifyReport report = patient.verify();
  CHECK(report.error_count == 0);
  CHECK(report.errors.empty());
  CHECK(report.entries == patient.engine().count(KindFilter::kAll));
  CHECK(report.bytes > 100 * 60);
  CHECK(!report.marker.is_set);
}

TEST_CASE("verify finds each thing that is wrong") {
  for (const Wrong& wrong : wrongs()) {
    CAPTURE(wrong.what);
    Patient patient;
    wrong.harm(patient);
    const VerifyReport report = patient.verify();
    std::string all;
    for (const VerifyError& error : report.errors) all += error.message + "\n";
    CAPTURE(all);
    CHECK(says(report, wrong.message));
    CHECK(report.error_count >= report.errors.size());
    CHECK(report.marker.is_set);
    CHECK(patient.engine().stats().damaged);
  }
}
