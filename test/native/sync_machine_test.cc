// SyncMachine: what a sync point does when the disk fails in it, and at the end of all epochs.
#include "core/sync_machine.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "core/format.h"
#include "support/engine_fixture.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

TEST_CASE("a step without a sync point under way is refused") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  SyncMachine machine(*store);
  CHECK(machine.step().code() == Code::kInvalidArgument);
  REQUIRE(machine.run().ok());
  CHECK(machine.step().code() == Code::kInvalidArgument);
}

TEST_CASE("after a failed sync nothing is written, reads go on, and reopening returns to the last sync point") {
  for (const unsigned nth : {1u, 2u}) {  // of the data, of the superblock
    CAPTURE(nth);
    TemporaryFolder folder;
    FailingPlatform platform;
    std::unique_ptr<Engine> engine;
    REQUIRE(Engine::open(platform, folder.path("a.mmcb"), small_options(), nullptr, &engine).ok());
    Address kept;
    Address lost;
    REQUIRE(engine->add(bytes("kept"), &kept).ok());
    REQUIRE(SyncMachine(*engine).run().ok());
    REQUIRE(engine->add(bytes("lost"), &lost).ok());

    platform.fail(SystemCall::kSync, nth);
    SyncMachine machine(*engine);
    CHECK(machine.run().code() == Code::kIo);
    CHECK(machine.phase() == SyncMachine::Phase::kIdle);
    CHECK(engine->failure().code() == Code::kIo);
    // The disk would do again; that does not count.
    CHECK(machine.run().code() == Code::kFailed);
    CHECK(machine.begin().code() == Code::kFailed);
    Address address;
    CHECK(engine->add(bytes("x"), &address).code() == Code::kFailed);
    CHECK(engine->remove(kept).code() == Code::kFailed);
    CHECK(engine->batch({}).code() == Code::kFailed);
    EntryInfo info;
    CHECK(engine->info(lost, &info).ok());
    CHECK(engine->stats().failed_syncs == 1);

    engine.reset();
    REQUIRE(Engine::open(platform, folder.path("a.mmcb"), small_options(), nullptr, &engine).ok());
    CHECK(engine->recovery().status == RecoveryStatus::kRolledBack);
    CHECK(engine->info(kept, &info).ok());
    // Failing in the second sync, the superblock was stored, and reached the disk after all: either state may stand.
    if (nth == 1) CHECK(engine->info(lost, &info).code() == Code::kNotFound);
    CHECK(engine->add(bytes("x"), &address).ok());
    CHECK(SyncMachine(*engine).run().ok());
  }
}

TEST_CASE("a file that is cut short in a sync point made at once is not said to be on the disk") {
  for (const int steps : {0, 1}) {  // before its superblock is stored, and after
    CAPTURE(steps);
    TemporaryFolder folder;
    const std::string path = folder.path("a.mmcb");
    EngineUnderTest store(path, small_options());
    REQUIRE(store->set(IntKey(1), bytes("one"), nullptr).ok());
    REQUIRE(store.sync().ok());
    REQUIRE(store->set(IntKey(2), bytes("two"), nullptr).ok());
    SyncMachine machine(*store);
    REQUIRE(machine.begin(false, SyncMachine::Order::kAtOnce).ok());
    for (int i = 0; i < steps; i++) REQUIRE(machine.step().ok());
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - kPage);
    CHECK(machine.step().code() == Code::kIo);
    CHECK(machine.phase() == SyncMachine::Phase::kIdle);
    CHECK(!store->failure().ok());
  }
}

TEST_CASE("a file that has used up its epochs can be read, and refuses sync points") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Address address;
  {
    EngineUnderTest store(path, small_options());
    REQUIRE(store->add(bytes("one"), &address).ok());
  }
  // 2^40 sync points later.
  std::string file = read_file(path);
  for (const uint64_t offset : kSuperblockOffset) {
    Superblock superblock;
    REQUIRE(decode(reinterpret_cast<const std::byte*>(file.data() + offset), &superblock) == SuperblockVerdict::kValid);
    superblock.durable_epoch = kMaxEpoch - 2;
    std::byte encoded[Superblock::kSize];
    encode(superblock, encoded);
    std::memcpy(file.data() + offset, encoded, sizeof encoded);
  }
  write_file(path, file);
  EngineUnderTest store(path, small_options());  // takes the last but one
  CHECK(store.read(address) == "one");
  REQUIRE(store->update(address, bytes("two")).ok());
  CHECK(store.sync().code() == Code::kFull);
  CHECK(store.read(address) == "two");
  CHECK_FALSE(store->failure().code() == Code::kIo);  // nothing is lost, nothing is poisoned
}
