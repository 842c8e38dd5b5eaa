// Compactor: cut anywhere, with others at work in between, with damage in the way, with a disk or a file that is full.
#include "core/compactor.h"

#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/engine_fixture.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

using Goal = Compactor::Goal;
using Next = Compactor::Next;

constexpr uint32_t kSize = 64 << 10;

Options options_for(Durability durability = Durability::kInterval) {
  Options options = small_options();
  options.segment_size = kSize;
  options.initial_size = 0;
  options.extension_factor = 1;
  options.durability = durability;
  return options;
}

std::string text_of(size_t number) { return random_text(900, number); }

// Fills about `segments` segments; `addresses` gets what is in them, in order.
void fill(Engine& engine, size_t segments, std::vector<Address>* addresses) {
  for (size_t i = 0; i < segments * (kSize / 950); i++) {
    addresses->emplace_back();
    REQUIRE(engine.add(bytes(text_of(i)), &addresses->back()).ok());
  }
}

// Removes all but every n-th.
void thin_out(Engine& engine, size_t keep, const std::vector<Address>& addresses) {
  for (size_t i = 0; i < addresses.size(); i++) {
    if (i % keep != 0) REQUIRE(engine.remove(addresses[i]).ok());
  }
}

void check_kept(EngineUnderTest& store, size_t keep, const std::vector<Address>& addresses) {
  for (size_t i = 0; i < addresses.size(); i++) {
    CHECK(store.read(addresses[i]) == (i % keep == 0 ? text_of(i) : "<NOT_FOUND>"));
  }
  CHECK(store.verify() == "");
}

// To the end; sync points when they are asked for.
Status finish(Engine& engine, Compactor& compactor, uint64_t budget = 1) {
  for (;;) {
    Next next;
    MMCB_TRY(compactor.step(budget, &next));
    if (next == Next::kDone) return Status();
    if (next == Next::kNeedsSync) MMCB_TRY(SyncMachine(engine).run());
  }
}

void overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

uint64_t offset_of(Engine& engine, Address address) {
  EntryInfo info;
  REQUIRE(engine.info(address, &info).ok());
  return info.offset;
}

}  // namespace

TEST_CASE("a segment is moved in small steps, and every address stays what it was") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), options_for());
  std::vector<Address> addresses;
  fill(*store, 8, &addresses);
  thin_out(*store, 2, addresses);
  REQUIRE(store.sync().ok());
  const uint64_t garbage = store->stats().garbage_bytes;
  Compactor compactor(*store);
  compactor.begin(Goal::kGarbage);
  int steps = 0;
  for (Next next = Next::kMore; next == Next::kMore && steps < 1000; steps++) REQUIRE(compactor.step(1, &next).ok());
  CHECK(steps > 8);  // more than one for a segment
  REQUIRE(SyncMachine(*store).run().ok());
  REQUIRE(finish(*store, compactor).ok());
  CHECK(compactor.report().freed_segments >= 7);
  CHECK(store->stats().garbage_bytes < garbage / 4);
  check_kept(store, 2, addresses);
  store.crash();
  check_kept(store, 2, addresses);
}

TEST_CASE("what others do to a victim between two steps is noticed") {
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    TemporaryFolder folder;
    EngineUnderTest store(folder.path("a.mmcb"), options_for(durability));
    std::vector<Address> addresses;
    fill(*store, 8, &addresses);
    thin_out(*store, 2, addresses);
    REQUIRE(store.sync().ok());
    Compactor compactor(*store);
    compactor.begin(Goal::kGarbage);
    Next next;
    REQUIRE(compactor.step(1, &next).ok());
    SUBCASE("emptied") {
      for (size_t i = 0; i < addresses.size(); i += 2) REQUIRE(store->remove(addresses[i]).ok());
      REQUIRE(finish(*store, compactor).ok());
      CHECK(store->count(KindFilter::kAll) == 0);
    }
    SUBCASE("emptied and filled again") {
      for (size_t i = 0; i < addresses.size(); i += 2) REQUIRE(store->remove(addresses[i]).ok());
      REQUIRE(store.sync().ok());
      REQUIRE(store.sync().ok());
      addresses.clear();
      fill(*store, 8, &addresses);
      REQUIRE(finish(*store, compactor).ok());
      check_kept(store, 1, addresses);
    }
    SUBCASE("abandoned") {
      compactor.abandon();
      check_kept(store, 2, addresses);
      // They can be chosen again.
      Compactor again(*store);
      again.begin(Goal::kGarbage);
      REQUIRE(finish(*store, again).ok());
      CHECK(again.report().freed_segments >= 6);
      check_kept(store, 2, addresses);
    }
    CHECK(store.verify() == "");
  }
}

TEST_CASE("victims that are emptied before their turn are passed over") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), options_for());
  std::vector<Address> addresses;
  fill(*store, 8, &addresses);
  thin_out(*store, 2, addresses);
  REQUIRE(store.sync().ok());
  Compactor compactor(*store);
  compactor.begin(Goal::kAll);  // every one of them, the open one, too
  Next next = Next::kMore;
  REQUIRE(compactor.step(0, &next).ok());  // now they are chosen
  for (size_t i = 0; i < addresses.size(); i += 2) REQUIRE(store->remove(addresses[i]).ok());
  for (int i = 0; i < 3; i++) {
    REQUIRE(store.sync().ok());
    REQUIRE(store->trim(false).ok());
  }
  CHECK(store->count(KindFilter::kAll) == 0);
  SUBCASE("by the compaction") { REQUIRE(finish(*store, compactor).ok()); }
  SUBCASE("by its end") { compactor.abandon(); }
  addresses.clear();
  fill(*store, 3, &addresses);
  check_kept(store, 1, addresses);
}

TEST_CASE("under pressure only the worst few segments are emptied") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), options_for());
  std::vector<Address> addresses;
  fill(*store, 10, &addresses);
  REQUIRE(store->remove(addresses[0]).ok());
  // A twentieth of one segment: it alone is a candidate.
  for (size_t i = 1; i < 8; i++) REQUIRE(store->remove(addresses[i]).ok());
  Compactor one(*store);
  one.begin(Goal::kPressure);
  REQUIRE(finish(*store, one).ok());
  CHECK(one.report().freed_segments == 1);
  for (size_t i = 8; i < addresses.size(); i += 2) REQUIRE(store->remove(addresses[i]).ok());
  Compactor few(*store);
  few.begin(Goal::kPressure);
  REQUIRE(finish(*store, few).ok());
  CHECK(few.report().freed_segments == Compactor::pressure_round(10));
}

TEST_CASE("a damaged entry is not copied, and its segment is left alone") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Options options = options_for();
  options.recovery = RecoveryMode::kSalvage;
  EngineUnderTest store(path, options);
  std::vector<Address> addresses;
  fill(*store, 3, &addresses);
  thin_out(*store, 2, addresses);
  const Address damaged = addresses[10];
  const uint64_t offset = offset_of(*store, damaged);
  Code wanted = Code::kOk;
  SUBCASE("in its data") {
    overwrite(path, offset + 100, "x!");
    wanted = Code::kCorrupt;
  }
  SUBCASE("so that it is no entry any more") { overwrite(path, offset, std::string(4, '\0')); }
  Compactor compactor(*store);
  compactor.begin(Goal::kAll);
  Status status;
  // A compaction that has met damage is begun again without the segment.
  while ((status = finish(*store, compactor)).code() == Code::kCorrupt) {
    CHECK(wanted == Code::kCorrupt);
    CHECK(status.message().find(std::to_string(offset)) != std::string::npos);
    wanted = Code::kOk;
    compactor.abandon();
    compactor.begin(Goal::kAll);
  }
  CHECK(status.ok());
  CHECK(wanted == Code::kOk);
  CHECK(offset_of(*store, damaged) == offset);
  CHECK(store.read(damaged) == "<CORRUPT>");
  for (size_t i = 0; i < addresses.size(); i += 2) {
    if (i != 10) CHECK(store.read(addresses[i]) == text_of(i));
  }
}

TEST_CASE("compaction that finds no room, no disk or no memory for the trimming says so; nothing is lost") {
  TemporaryFolder folder;
  FailingPlatform platform;
  Options options = options_for();
  options.max_size = 1 << 20;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, folder.path("a.mmcb"), options, nullptr, &engine).ok());
  std::vector<Address> addresses;
  Address address;
  while (engine->add(bytes(text_of(addresses.size())), &address).ok()) addresses.push_back(address);
  REQUIRE(addresses.size() > 500);
  Compactor compactor(*engine);
  Status status;
  SUBCASE("no room") {
    thin_out(*engine, 2, addresses);
    compactor.begin(Goal::kAll);
    // The last free segment is compaction's, however full the file.
    CHECK(finish(*engine, compactor).ok());
    CHECK(compactor.report().freed_segments != 0);
  }
  SUBCASE("no disk") {
    thin_out(*engine, 100, addresses);
    REQUIRE(SyncMachine(*engine).run().ok());
    compactor.begin(Goal::kAll);
    Next next = Next::kMore;
    REQUIRE(compactor.step(1, &next).ok());
    platform.fail(SystemCall::kSync);
    REQUIRE(SyncMachine(*engine).run().code() == Code::kIo);
    status = finish(*engine, compactor);
    CHECK(status.code() == Code::kFailed);
    compactor.abandon();
    return;
  }
  SUBCASE("no trimming") {
    thin_out(*engine, 100, addresses);
    REQUIRE(SyncMachine(*engine).run().ok());
    compactor.begin(Goal::kAll);
    platform.fail(SystemCall::kTruncate);
    CHECK(finish(*engine, compactor).code() == Code::kIo);
    CHECK_FALSE(platform.withdraw());
    compactor.begin(Goal::kAll);
    CHECK(finish(*engine, compactor).ok());
    CHECK(engine->stats().file_size < options.max_size / 2);
  }
  VerifyReport report;
  REQUIRE(Verifier(*engine).run(nullptr, &report).ok());
  CHECK(report.errors.empty());
  CHECK(engine->count(KindFilter::kAll) == report.entries);
}
