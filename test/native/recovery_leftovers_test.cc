// What crashes leave behind in free space speaks for nothing: neither at the opening after nor when, much later, more of the
// file is lost. Each of these was first met by random power cuts or by fuzzing.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/engine_fixture.h"
#include "support/power_cut_file.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

constexpr uint64_t kHead = head_size(kMinSegmentSize, kMinJournalSize);

uint32_t word32(const std::string& file, uint64_t offset) {
  uint32_t word;
  std::memcpy(&word, file.data() + offset, sizeof word);
  return word;
}

uint64_t offset_of(EngineUnderTest& store, Address address) {
  EntryInfo info;
  REQUIRE(store->info(address, &info).ok());
  return info.offset;
}

Address add(EngineUnderTest& store, const std::string& text) {
  Address address;
  REQUIRE(store->add(bytes(text), &address).ok());
  return address;
}

// Opens the file on another machine, so to speak, and leaves it as that opening has made it.
RecoveryReport open_after_power_cut(const std::string& path, const Options& options, std::vector<Address>* present) {
  ForgetfulPlatform platform;
  std::unique_ptr<Engine> engine;
  const Status status = Engine::open(platform, path, options, nullptr, &engine);
  REQUIRE_MESSAGE(status.ok(), status.message());
  std::erase_if(*present, [&](Address address) {
    EntryInfo info;
    return !engine->info(address, &info).ok();
  });
  const RecoveryReport report = engine->recovery();
  engine.reset();
  return report;
}

}  // namespace

TEST_CASE("entries of a cleared store do not come back when the header of their segment is lost") {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Options options = small_options();
  std::vector<Address> cleared;
  std::vector<Address> kept;
  {
    EngineUnderTest store(path, options);
    for (int i = 0; i < 100; i++) cleared.push_back(add(store, random_text(300, i)));
    REQUIRE(store.sync().ok());
    uint64_t removed = 0;
    REQUIRE(store->clear(KindFilter::kAll, &removed).ok());
    REQUIRE(removed == cleared.size());
    REQUIRE(store.sync().ok());
    for (int i = 0; i < 3; i++) kept.push_back(add(store, random_text(300, 1000 + i)));
    const uint64_t used = offset_of(store, kept[0]);
    REQUIRE(store.sync().ok());
    store.kill();
    // Every header but that of the segment in use is lost; and one entry, so that no digest settles what was there.
    std::string file = read_file(path);
    for (uint64_t start = kHead; start < file.size(); start += kMinSegmentSize) {
      if (start + kMinSegmentSize > used && start <= used) continue;
      std::memset(file.data() + start, 0, kSector);
    }
    file[used + EntryHeader::kSize + 5] ^= 1;
    put(path, file);
  }
  options.recovery = RecoveryMode::kSalvage;
  const RecoveryReport report = open_after_power_cut(path, options, &kept);
  CHECK(report.status == RecoveryStatus::kSalvaged);
  CHECK(report.entries == 2);
  CHECK(kept.size() == 2);
}

TEST_CASE("the header of a run beyond the end of the file is not believed when the file has grown again") {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  const Options options = small_options();
  uint64_t run = 0;
  std::vector<Address> kept;
  {
    EngineUnderTest store(path, options);
    kept.push_back(add(store, "before"));
    REQUIRE(store.sync().ok());
    const Address wide = add(store, random_text(6 * kMinSegmentSize, 1));
    run = offset_of(store, wide) - kSegmentHeaderSize;
    store.kill();
  }
  // The data has reached the disk sooner than the size.
  std::filesystem::resize_file(path, run + kMinSegmentSize);
  REQUIRE(word32(read_file(path), run + kSegmentCrcOffset) != 0);
  const RecoveryReport report = open_after_power_cut(path, options, &kept);
  CHECK(report.status == RecoveryStatus::kRolledBack);
  CHECK(report.quarantined == 0);
  CHECK(kept.size() == 1);
  CHECK(word32(read_file(path), run + kSegmentCrcOffset) == 0);
}

TEST_CASE("a torn entry is voided, also when a whole one that was never durable stands behind it") {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  const Options options = small_options();
  uint64_t torn = 0;
  std::vector<Address> kept;
  {
    EngineUnderTest store(path, options);
    kept.push_back(add(store, "before"));
    REQUIRE(store.sync().ok());
    // All in one segment, and this one in the middle.
    for (int i = 0; i < 10; i++) {
      const Address address = add(store, random_text(1000, i));
      if (i == 5) torn = offset_of(store, address);
    }
    store.kill();
    std::string file = read_file(path);
    std::memset(file.data() + torn + 100, 0, kSector);
    put(path, file);
  }
  REQUIRE(word32(read_file(path), torn) != 0);
  const RecoveryReport report = open_after_power_cut(path, options, &kept);
  CHECK(report.status == RecoveryStatus::kRolledBack);
  CHECK(kept.size() == 1);
  CHECK(word32(read_file(path), torn) == 0);
}

TEST_CASE("after a power cut in durability 'process', a run that has ended hides nothing in its other segments") {
  for (const Durability next : {Durability::kProcess, Durability::kInterval}) {
    CAPTURE(static_cast<int>(next));
    const TemporaryFolder folder;
    const std::string path = folder.path("a.mmcb");
    Options options = small_options();
    options.durability = Durability::kProcess;
    std::vector<Address> kept;
    {
      EngineUnderTest store(path, options);
      Address wide;
      REQUIRE(store->add(bytes(random_text(2 * kMinSegmentSize, 1)), &wide).ok());
      EntryInfo info;
      REQUIRE(store->info(wide, &info).ok());
      const uint64_t run = info.offset - kSegmentHeaderSize;
      REQUIRE(store.sync().ok());
      REQUIRE(store->remove(wide).ok());
      const std::string header = read_file(path).substr(run, kPage);
      for (int i = 0; i < 45; i++) {
        Address address;
        REQUIRE(store->add(bytes(random_text(1000, i)), &address).ok());
        REQUIRE(store->info(address, &info).ok());
        if (info.offset > run + kMinSegmentSize && info.offset < run + 3 * kMinSegmentSize) kept.push_back(address);
      }
      store.kill();
      // All has reached the disk but the first page of what was the run.
      std::string file = read_file(path);
      file.replace(run, kPage, header);
      put(path, file);
    }
    REQUIRE(kept.size() > 20);
    options.durability = next;
    ForgetfulPlatform platform;
    std::unique_ptr<Engine> engine;
    REQUIRE(Engine::open(platform, path, options, nullptr, &engine).ok());
    CHECK(engine->recovery().status == RecoveryStatus::kSalvaged);
    for (const Address address : kept) {
      EntryInfo info;
      CHECK(engine->info(address, &info).ok());
    }
    engine.reset();  // before its platform goes
  }
}
