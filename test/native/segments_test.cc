// Segments and the Volume under them: where entries go, how the file grows and shrinks, and what becomes of a failure.
#include "core/segments.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/volume.h"
#include "support/engine_fixture.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

constexpr uint32_t kSize = kMinSegmentSize;
constexpr uint64_t kHead = head_size(kMinSegmentSize, kMinJournalSize);

// A file with a head and no segments yet.
struct Space {
  explicit Space(uint64_t max_size = 0, uint64_t address_space = 64 << 20, uint64_t hole_unit = 1)
      : volume(platform), segments(volume, platform, pins) {
    platform.set_hole_unit(hole_unit);
    std::unique_ptr<File> file;
    REQUIRE(platform.open(folder.path("a.mmcb"), OpenMode::kReadWrite, &file).ok());
    REQUIRE(file->allocate(0, kHead).ok());
    REQUIRE(volume.attach(std::move(file), address_space, kHead).ok());
    REQUIRE(volume.map(kHead, MapMode::kShared).ok());
    REQUIRE(segments.initialize(kSize, kHead, 1, max_size).ok());
  }
  Place allocate(uint64_t size, Stream stream = Stream::kFresh) {
    Place place;
    REQUIRE(segments.allocate(stream, size, 1, &place).ok());
    return place;
  }
  Status try_to_allocate(uint64_t size, Stream stream = Stream::kFresh) {
    Place place;
    return segments.allocate(stream, size, 1, &place);
  }
  // The size of the file, which is also what is mapped.
  uint64_t file_size() {
    uint64_t size = 0;
    REQUIRE(volume.file().size(&size).ok());
    CHECK(size == volume.size());
    return size;
  }
  void empty(uint32_t segment) {
    segments.end(segment, 1);
    segments.release_ended(1, ~0ull);
  }
  Status trim(uint32_t floor, bool keep_reserve) {
    MMCB_TRY(segments.trim(floor, keep_reserve));
    Segments::HoleSearch search{keep_reserve};
    while (!search.is_done) MMCB_TRY(segments.punch_next(&search));
    return Status();
  }
  uint32_t holes() const {
    uint32_t found = 0;
    for (uint32_t i = 0; i < segments.count(); i++) found += segments.at(i).is_hollow();
    return found;
  }

  TemporaryFolder folder;
  FailingPlatform platform;
  ReaderPins pins;
  Volume volume;
  Segments segments;
};

// Leaves little under a half of a segment of its own.
constexpr uint64_t kHalf = 9000;

}  // namespace

TEST_CASE("entries of one stream follow one another; large ones and moved ones have segments of their own") {
  Space space;
  const Place first = space.allocate(1000);
  const Place second = space.allocate(1000);
  CHECK(second.segment == first.segment);
  CHECK(second.ordinal == 1);
  CHECK(second.offset >= first.offset + 1000);
  CHECK(second.mark + 8 == first.mark);
  CHECK(space.allocate(1000, Stream::kCold).segment != first.segment);
  CHECK(space.allocate(kSize / 8 + 8).segment != first.segment);
  CHECK(space.allocate(1000).segment == first.segment);
}

TEST_CASE("a sealed segment with room left is filled before a new one is opened") {
  Space space;
  const uint32_t half = space.allocate(kHalf, Stream::kLarge).segment;
  space.allocate(kHalf, Stream::kLarge);  // does not fit beside the first, which is sealed
  CHECK(space.segments.at(half).state == Segment::State::kSealed);

  SUBCASE("with entries that fit") { CHECK(space.allocate(1000).segment == half); }
  SUBCASE("not with one that does not") { CHECK(space.allocate(kSize / 2).segment != half); }
  SUBCASE("not while it is compacted") {
    space.segments.at(half).victim = true;
    CHECK(space.allocate(1000).segment != half);
  }
  SUBCASE("not if it holds damage") {
    space.segments.at(half).damaged = true;
    CHECK(space.allocate(1000).segment != half);
  }
  SUBCASE("not once it is free") {
    space.empty(half);
    const Place place = space.allocate(1000);  // takes it afresh, from its start
    CHECK(place.segment == half);
    CHECK(place.ordinal == 0);
  }
  SUBCASE("not if it has become the head of a run") {
    const uint32_t other = half + 1;
    space.segments.seal(other);
    space.empty(other);
    space.empty(half);
    CHECK(space.allocate(kSize + 100).segment == half);
    CHECK(space.allocate(1000).segment > other);
  }
}

TEST_CASE("only so many segments with room are remembered") {
  Space space;
  std::vector<uint32_t> sealed;
  for (int i = 0; i < 1100; i++) sealed.push_back(space.allocate(kHalf, Stream::kLarge).segment);
  // Those at the beginning; the last in come out first.
  const uint32_t first = space.allocate(1000).segment;
  CHECK(first < 1024);
  CHECK(first + 10 > 1023);
}

TEST_CASE("an entry wider than a segment gets a run; whoever listens is told") {
  Space space;
  int taken = 0;
  space.segments.set_observer([&] { taken++; });
  const Place wide = space.allocate(3 * kSize);
  CHECK(space.segments.at(wide.segment).run_length == 4);
  CHECK(space.segments.at(wide.segment + 3).state == Segment::State::kTail);
  CHECK(taken == 1);
  space.allocate(100);
  CHECK(taken == 2);
  space.allocate(100, Stream::kCold);
  CHECK(taken == 2);
  CHECK(space.segments.take_filled() == wide.segment);
  CHECK(space.segments.take_filled() == Segments::kNone);
  CHECK(space.segments.garbage_of(wide.segment) != 0);
  space.empty(wide.segment);
  CHECK(space.segments.garbage_of(wide.segment) == 0);  // free
}

TEST_CASE("a file grows up to maxSize, and not beyond") {
  Space space(kHead + 3 * kSize);
  for (int i = 0; i < 3; i++) space.allocate(kHalf);
  CHECK(space.try_to_allocate(kHalf).code() == Code::kFull);
  CHECK(space.file_size() == kHead + 3 * kSize);
}

TEST_CASE("of the last free segments one is for updates and one is compaction's") {
  Space space(kHead + 16 * kSize);
  for (int i = 0; i < 14; i++) space.allocate(kHalf);
  CHECK(space.try_to_allocate(kHalf).code() == Code::kFull);
  CHECK(space.segments.free_segments() == 2);
  const uint32_t updates = space.allocate(100, Stream::kUpdates).segment;
  CHECK(space.allocate(100, Stream::kUpdates).segment == updates);
  CHECK(space.allocate(100, Stream::kCold).segment == updates);  // compaction goes on there
  while (space.try_to_allocate(100, Stream::kUpdates).ok()) {
  }
  CHECK(space.segments.free_segments() == 1);
  CHECK(space.try_to_allocate(kHalf).code() == Code::kFull);
  CHECK(space.allocate(100, Stream::kCold).segment != updates);
  CHECK(space.segments.free_segments() == 0);
  Place place;
  CHECK(space.segments.place_in_active(Stream::kUpdates, 100, &place));
}

TEST_CASE("a file grows as far as there is address space") {
  Space space(0, 1 << 20);
  Status status;
  while (status.ok()) status = space.try_to_allocate(kHalf);
  CHECK(status.code() == Code::kNoMemory);
  const uint64_t size = space.file_size();
  CHECK(size <= space.volume.address_space());
  CHECK(size + kSize > space.volume.address_space());
  CHECK(space.volume.grow(space.volume.address_space() + kSize).code() == Code::kNoMemory);
  CHECK(space.volume.map(space.volume.address_space() + kSize, MapMode::kShared).code() == Code::kNoMemory);
  CHECK(space.file_size() == size);
}

TEST_CASE("where much does not fit on the disk, what is needed may") {
  Space space;
  REQUIRE(space.segments.reserve_file(kHead + 32 * kSize).ok());
  while (space.segments.free_segments() != 2) space.allocate(kHalf);  // the last ones are for updates and compaction
  const uint32_t count = space.segments.count();
  space.platform.fail(SystemCall::kAllocate);
  space.allocate(kHalf);
  CHECK(space.segments.count() == count + 1);  // and not an eighth more
  // The bound on growth says the same.
  space.segments.set_growth_bound(0);
  space.allocate(kHalf);
  CHECK(space.segments.count() == count + 2);
  space.segments.set_growth_bound(~0ull);
  space.allocate(kHalf);
  CHECK(space.segments.count() == count + 2 + (count + 2) / 8);
}

TEST_CASE("a growth that fails leaves the file as it was, and can be tried again") {
  Space space;
  space.allocate(kHalf);
  const uint64_t size = space.file_size();
  const auto fails = [&](SystemCall call, Code code) {
    const uint32_t count = space.segments.count();
    // Little is free here: what fails is all that is asked for.
    while (space.segments.free_segments() > 0) space.allocate(kHalf);
    const uint64_t before = space.file_size();
    space.platform.fail(call);
    CHECK(space.try_to_allocate(kHalf).code() == code);
    CHECK_FALSE(space.platform.withdraw());
    CHECK(space.file_size() == before);
    CHECK(space.segments.count() >= count);
    space.allocate(kHalf);
  };
  fails(SystemCall::kAllocate, Code::kNoSpace);
  fails(SystemCall::kMap, Code::kNoMemory);
  CHECK(space.file_size() > size);
  space.platform.fail(SystemCall::kAllocate);
  CHECK(space.segments.reserve_file(space.file_size() + 10 * kSize).code() == Code::kNoSpace);
  CHECK(space.segments.reserve_file(space.file_size()).ok());  // nothing to do
}

TEST_CASE("growing ahead begins when half of a growth is used up") {
  Space space;
  CHECK(space.segments.grow_ahead().ok());
  CHECK(space.segments.count() == 0);  // a small file gains nothing by it
  REQUIRE(space.segments.reserve_file(kHead + 64 * kSize).ok());
  CHECK(space.segments.grow_ahead().ok());
  CHECK(space.segments.count() == 64);  // all of it is free
  for (int i = 0; i < 60; i++) space.allocate(kHalf);
  space.segments.set_growth_bound(0);
  CHECK(space.segments.grow_ahead().ok());
  CHECK(space.segments.count() == 64);
  space.segments.set_growth_bound(~0ull);
  CHECK(space.segments.grow_ahead().ok());
  CHECK(space.segments.count() == 72);
  // Pages are brought in for those that will be taken next, once.
  const auto bring_in = [&](uint32_t most) {
    const std::vector<uint32_t> next = space.segments.next_unfaulted(most);
    for (const uint32_t segment : next) {
      space.segments.prepare_marks(segment);
      space.segments.note_faulted(segment);
    }
    return next;
  };
  CHECK(bring_in(3) == std::vector<uint32_t>{60, 61, 62});
  CHECK(bring_in(4) == std::vector<uint32_t>{63});
  CHECK(bring_in(100).size() == 8);
  CHECK(bring_in(100).empty());
  // Not so what a writer has taken meanwhile, or what is not there any more.
  space.allocate(kHalf);
  space.segments.note_faulted(60);
  space.segments.note_faulted(1000);
  CHECK_FALSE(space.segments.at(60).faulted);
}

TEST_CASE("a file with a limit does not grow ahead") {
  Space space(16 << 20);
  REQUIRE(space.segments.reserve_file(kHead + 64 * kSize).ok());
  for (int i = 0; i < 60; i++) space.allocate(kHalf);
  CHECK(space.segments.grow_ahead().ok());
  CHECK(space.segments.count() == 64);
}

TEST_CASE("memory for the table of segments may be short") {
  Space space;
  space.platform.fail(SystemCall::kCommit);
  CHECK(space.try_to_allocate(100).code() == Code::kNoMemory);
  CHECK(space.segments.count() == 0);
}

TEST_CASE("trimming cuts free segments off, and gives blocks in the middle back; what fails is said") {
  Space space;
  for (int i = 0; i < 40; i++) space.allocate(kHalf);
  for (uint32_t i = 10; i < 30; i++) space.empty(i);
  const uint64_t size = space.file_size();
  SUBCASE("the holes") {
    space.platform.fail(SystemCall::kPunchHole);
    CHECK(space.trim(0, false).code() == Code::kIo);
    CHECK(space.trim(0, false).ok());
    CHECK(space.file_size() < size);  // it had grown ahead
    // Taken again, they have blocks again.
    for (int i = 0; i < 20; i++) space.allocate(kHalf);
    CHECK(space.segments.needed_count() == 40);
  }
  SUBCASE("with a reserve, holes only where it has been free for a while") {
    for (int i = 0; i < 3; i++) {
      REQUIRE(space.trim(0, true).ok());
      CHECK(space.holes() == 0);
    }
    for (uint32_t i = 0; i < 5; i++) space.empty(i);
    REQUIRE(space.trim(0, true).ok());
    CHECK(space.holes() == 21);  // the lowest, just emptied, are the reserve; one had been grown ahead
    for (int i = 0; i < 25; i++) space.allocate(kHalf);
    CHECK(space.holes() == 0);
    space.empty(20);
    REQUIRE(space.trim(0, true).ok());
    CHECK(space.holes() == 0);
  }
  SUBCASE("no blocks for a hole that is to be used again") {
    REQUIRE(space.trim(0, false).ok());
    while (space.segments.free_segments() > 0 && !space.segments.at(space.segments.needed_count() - 1).is_hollow()) {
      space.platform.fail(SystemCall::kAllocate);
      const Status status = space.try_to_allocate(kHalf);
      if (space.platform.withdraw()) continue;  // one of the reserve, which has its blocks
      CHECK(status.ok());                       // another place is found
      break;
    }
    space.allocate(kHalf);
  }
  SUBCASE("the end") {
    space.segments.seal(39);
    for (uint32_t i = 30; i < 40; i++) space.empty(i);
    SystemCall call = SystemCall::kTruncate;
    SUBCASE("of the file") {}
    SUBCASE("of the mapping") { call = SystemCall::kUnmap; }
    space.platform.fail(call);
    CHECK_FALSE(space.trim(0, false).ok());
    CHECK(space.segments.count() == 10);
    // A segment that was filled and then cut off is not spoken of any more.
    uint32_t filled;
    while ((filled = space.segments.take_filled()) != Segments::kNone) CHECK(filled < 10);
  }
  SUBCASE("never below what a superblock counts") {
    space.segments.seal(39);
    for (uint32_t i = 30; i < 40; i++) space.empty(i);
    CHECK(space.trim(25, false).ok());
    CHECK(space.segments.count() == 25);
    CHECK(space.volume.shrink(space.file_size()).ok());  // nothing to do
  }
}

TEST_CASE("holes are units of the file system, free from one end to the other, and filled as a whole") {
  constexpr uint32_t kUnit = 8;
  Space space(0, 64 << 20, kUnit * kSize);
  for (int i = 0; i < 60; i++) space.allocate(kHalf);
  for (uint32_t i = 5; i < 55; i++) space.empty(i);
  REQUIRE(space.trim(0, false).ok());
  const uint32_t punched = space.holes();
  CHECK(punched >= 4 * kUnit);
  const auto unit_of = [&](uint32_t segment) { return space.segments.offset_of(segment) / (kUnit * kSize); };
  const auto hollow_in = [&](uint64_t unit) {
    uint32_t hollow = 0;
    for (uint32_t i = 0; i < space.segments.count(); i++)
      hollow += unit_of(i) == unit && space.segments.at(i).is_hollow();
    return hollow;
  };
  for (uint64_t unit = 0; unit <= unit_of(space.segments.count() - 1); unit++) {
    CHECK((hollow_in(unit) == 0 || hollow_in(unit) == kUnit));
  }

  SUBCASE("for one segment of it") {
    while (space.holes() == punched) space.allocate(kHalf);
    CHECK(space.holes() == punched - kUnit);
  }
  SUBCASE("or refused, and then nothing in it is asked for again as long as there is another place") {
    space.platform.fail(SystemCall::kAllocate);
    uint32_t refused = 0;
    while (refused == 0) {
      space.allocate(kHalf);
      for (uint32_t i = 0; i < space.segments.count(); i++) refused += space.segments.at(i).refused;
    }
    CHECK(refused == kUnit);
    CHECK(space.holes() == punched - kUnit);  // the next one was filled instead
  }
  SUBCASE("and what grows beside the rest of one is part of it") {
    for (uint32_t i = 55; i < 60; i++) {
      space.segments.seal(i);
      space.empty(i);
    }
    uint32_t last = 0;
    for (uint32_t i = 0; i < space.segments.count(); i++) {
      if (space.segments.at(i).is_hollow()) last = i;
    }
    const uint32_t floor = last - kUnit / 2;
    REQUIRE(space.trim(floor, false).ok());
    REQUIRE(space.segments.count() == floor);
    REQUIRE(hollow_in(unit_of(floor - 1)) == kUnit / 2 - 1);
    REQUIRE(space.segments.reserve_file(kHead + (last + 2) * uint64_t{kSize}).ok());
    CHECK(hollow_in(unit_of(last)) == kUnit);
    CHECK_FALSE(space.segments.at(last + 1).is_hollow());
  }
}

TEST_CASE("address space is taken half way where there is less, and refused where there is too little") {
  FailingPlatform platform;
  TemporaryFolder folder;
  const auto attach = [&](Volume& volume) {
    std::unique_ptr<File> file;
    REQUIRE(platform.open(folder.path("a.mmcb"), OpenMode::kReadWrite, &file).ok());
    return volume.attach(std::move(file), 4 << 20, 1 << 20);
  };
  {
    Volume volume(platform);
    platform.fail(SystemCall::kReserve);
    REQUIRE(attach(volume).ok());
    CHECK(volume.address_space() == 1 << 20);  // half of what could be had
    platform.fail(SystemCall::kMap);
    CHECK(volume.map(4096, MapMode::kPrivate).code() == Code::kNoMemory);
    CHECK(volume.grow(0).ok());  // nothing to do
  }
  Volume volume(platform);
  std::unique_ptr<File> file;
  REQUIRE(platform.open(folder.path("a.mmcb"), OpenMode::kReadWrite, &file).ok());
  platform.fail(SystemCall::kReserve);
  CHECK(volume.attach(std::move(file), 1 << 20, 1 << 20).code() == Code::kNoMemory);
}
