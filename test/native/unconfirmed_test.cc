// Unconfirmed superblocks: what recovery makes of a sync point that was made at once, when not all of it is on the disk.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "core/recovery.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "support/engine_fixture.h"
#include "support/power_cut_file.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// A file with three states: two sync points in two steps, the last one at once.
struct Unconfirmed {
  Unconfirmed() : path(folder.path("a.mmcb")) {
    EngineUnderTest store(path, options);
    REQUIRE(store->set(IntKey(1), bytes("both need it"), nullptr).ok());
    REQUIRE(store.sync().ok());
    before = read_file(path);
    previous = store->stats().durable_epoch;
    for (int i = 0; i < 40; i++) REQUIRE(store->set(IntKey(100 + i), bytes(random_text(1000, i)), nullptr).ok());
    REQUIRE(store->erase(IntKey(1)).ok());
    REQUIRE(store->set(IntKey(1), bytes("the newer one"), nullptr).ok());
    SyncMachine machine(*store);
    REQUIRE(machine.run(false, SyncMachine::Order::kAtOnce).ok());
    REQUIRE(machine.is_at_once());
    newest = machine.epoch();
    store.kill();
    file = read_file(path);
    REQUIRE(file.size() > before.size());
  }
  // After a power cut that left `image`.
  Status open(const std::string& image, RecoveryMode mode = RecoveryMode::kStrict) {
    engine.reset();
    std::filesystem::resize_file(path, 0);
    std::ofstream(path, std::ios::binary) << image;
    options.recovery = mode;
    return Engine::open(forgetful, path, options, Progress(), &engine);
  }
  uint64_t entries() const { return engine->stats().count; }
  // `file` with every page but those of the superblocks as they were before.
  std::string without_data() const {
    std::string image = file;
    image.replace(kStateOffset, before.size() - kStateOffset, before, kStateOffset, std::string::npos);
    return image;
  }

  Options options = small_options();
  TemporaryFolder folder;
  ForgetfulPlatform forgetful;
  std::string path;
  std::string before;
  std::string file;
  uint64_t previous = 0;
  uint64_t newest = 0;
  std::unique_ptr<Engine> engine;
};

std::string first_error(Engine& engine) {
  VerifyReport report;
  const Status status = Verifier(engine).run(nullptr, &report);
  if (!status.ok()) return status.message();
  return report.errors.empty() ? "" : report.errors[0].message;
}

}  // namespace

TEST_CASE("an unconfirmed superblock counts if all of its data is there") {
  Unconfirmed c;
  REQUIRE(c.open(c.file).ok());
  CHECK(c.engine->recovery().durable_epoch == c.newest);
  CHECK(c.entries() == 41);
  c.engine.reset();
}

TEST_CASE("an unconfirmed superblock without its data does not count: the one before does, and nothing is amiss") {
  Unconfirmed c;
  for (const bool is_cut : {false, true}) {
    // The disk may not even know how long the file has become.
    const std::string image = is_cut ? c.without_data().substr(0, c.before.size()) : c.without_data();
    REQUIRE(c.open(image).ok());
    const RecoveryReport& report = c.engine->recovery();
    CHECK(report.status == RecoveryStatus::kRolledBack);
    CHECK(report.durable_epoch == c.previous);
    CHECK(report.quarantined + report.lost == 0);
    CHECK(c.entries() == 1);
    // The number of the epoch that does not count is not used again.
    CHECK(c.engine->stats().durable_epoch > c.newest);
    CHECK(first_error(*c.engine) == "");
    c.engine.reset();
  }
}

TEST_CASE("where some of an unconfirmed superblock's data is missing, the file is as before: each page by itself") {
  Unconfirmed c;
  unsigned gone_back = 0;
  for (uint64_t page = kStateOffset; page < c.file.size(); page += kPage) {
    std::string image = c.file;
    const uint64_t there = page < c.before.size() ? std::min<uint64_t>(kPage, c.before.size() - page) : 0;
    const std::string old = c.before.substr(std::min<uint64_t>(page, c.before.size()), there) +
                            std::string(std::min<uint64_t>(kPage, image.size() - page) - there, '\0');
    if (image.compare(page, old.size(), old) == 0) continue;
    image.replace(page, old.size(), old);
    CAPTURE(page);
    REQUIRE(c.open(image).ok());
    const RecoveryReport& report = c.engine->recovery();
    CHECK(report.quarantined + report.lost == 0);
    CHECK(c.entries() == (report.durable_epoch == c.newest ? 41 : 1));
    gone_back += report.durable_epoch == c.previous;
    CHECK(first_error(*c.engine) == "");
    c.engine.reset();
  }
  CHECK(gone_back > 10);
}

TEST_CASE("damage to what both superblocks need is damage, and what the newest has is salvaged") {
  Unconfirmed c;
  std::string image = c.file;
  // Of the entry with the key 1, both versions.
  for (const char* text : {"both need it", "the newer one"}) image[image.find(text)] ^= 1;
  CHECK(c.open(image).code() == Code::kCorrupt);
  REQUIRE(c.open(image, RecoveryMode::kSalvage).ok());
  CHECK(c.entries() == 40);
  CHECK(c.engine->recovery().lost == 1);
  c.engine.reset();
}

TEST_CASE("the sync point after an unconfirmed one can be made in two steps, with nothing to write") {
  Unconfirmed c;
  REQUIRE(c.open(c.file).ok());
  REQUIRE(SyncMachine(*c.engine).run(false, SyncMachine::Order::kAtOnce).ok());
  REQUIRE(SyncMachine(*c.engine).run().ok());
  const uint64_t confirmed = c.engine->stats().durable_epoch;
  c.engine.reset();
  std::string image = read_file(c.path);
  image[image.find("the newer one")] ^= 1;  // now it cannot be a power cut
  CHECK(c.open(image).code() == Code::kCorrupt);
  REQUIRE(c.open(image, RecoveryMode::kSalvage).ok());
  CHECK(c.engine->recovery().durable_epoch == confirmed);
  c.engine.reset();
}
