// Faults in a store with its threads: threads that do not start, syncs that fail in the background, memory that is gone for
// all threads or for one of several openers.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "core/shared_store.h"
#include "core/store.h"
#include "support/engine_fixture.h"
#include "support/failing_memory.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

Options quiet_options() {
  Options options = small_options();
  options.sync_interval_ms = 1u << 30;
  return options;
}

std::shared_ptr<SharedStore> shared_store(Platform& platform, const std::string& path, const Options& options,
                                          Status* status) {
  std::unique_ptr<Engine> engine;
  *status = Engine::open(platform, path, options, nullptr, &engine);
  if (!status->ok()) return nullptr;
  auto store = std::make_shared<SharedStore>(std::move(engine), false);
  *status = store->start();
  return store;
}

std::string read_int(Engine& engine, int64_t key) {
  const Reader reader(engine);
  std::string text(4096, ' ');
  uint64_t size = 0;
  const Status status =
      engine.read(reader, Key(IntKey(key)), {reinterpret_cast<std::byte*>(text.data()), text.size()}, &size);
  return status.ok() ? text.substr(0, size) : std::string("<") + code_name(status.code()) + ">";
}

}  // namespace

TEST_CASE("faults: a store whose threads cannot be started is closed in order") {
  TemporaryFolder folder;
  FailingPlatform platform;
  Faults& faults = platform.faults();
  const std::string path = folder.path("a.mmcb");
  Status status;
  {
    const auto store = shared_store(platform, path, quiet_options(), &status);
    REQUIRE(status.ok());
    REQUIRE(store->engine().set(IntKey(1), bytes("one"), nullptr).ok());
    REQUIRE(store->shut_down().ok());
  }
  uint64_t hits = 0;
  for (const uint64_t nth : {1u, 2u, 3u}) {
    for (const bool for_ever : {false, true}) {
      faults.arm({SystemCall::kStartThread, nth, for_ever, false, EAGAIN});
      std::shared_ptr<SharedStore> store;
      {
        const Faults::Scope scope(faults);
        store = shared_store(platform, path, quiet_options(), &status);
      }
      CHECK(status.ok() == (faults.hits() == 0));
      if (!status.ok()) CHECK(status.code() == Code::kNoMemory);
      hits += faults.hits();
      faults.disarm();
      store.reset();
      CHECK(faults.open_files() == 0);
      CHECK(faults.reservations() == 0);
      CHECK(faults.threads() == 0);
      EngineUnderTest reopened(path, quiet_options());
      CHECK(reopened->recovery().status == RecoveryStatus::kClean);
      CHECK(reopened.read(IntKey(1)) == "one");
    }
  }
  CHECK(hits == 4);  // two threads, once and from then on
}

TEST_CASE("faults: a sync that fails in the background is told once, is never tried again, and fences the store") {
  for (const int error : {EIO, ENOSPC}) {
    CAPTURE(error);
    TemporaryFolder folder;
    FailingPlatform platform;
    Faults& faults = platform.faults();
    const std::string path = folder.path("a.mmcb");
    Status status;
    const auto store = shared_store(platform, path, quiet_options(), &status);
    REQUIRE(status.ok());
    std::atomic<int> errors{0};
    store->add_listener([&](const StoreEvent& event) { errors += event.type == StoreEvent::Type::kError; });
    REQUIRE(store->engine().set(IntKey(1), bytes("durable"), nullptr).ok());
    REQUIRE(store->flush().ok());
    REQUIRE(store->engine().set(IntKey(1), bytes("not durable"), nullptr).ok());

    faults.arm({SystemCall::kSync, 1, false, false, error});
    const Faults::Scope scope(faults);
    status = store->flush();
    CHECK(status.code() == (error == EIO ? Code::kIo : Code::kNoSpace));
    CHECK(status.system_error() == error);
    CHECK(faults.calls(SystemCall::kSync) == 1);
    CHECK(store->flush().code() == Code::kFailed);
    CHECK(store->engine().set(IntKey(2), bytes("refused"), nullptr).code() == Code::kFailed);
    CompactionReport report;
    CHECK(store->compact(Compactor::Goal::kAll, nullptr, &report).code() == Code::kFailed);
    CHECK(read_int(store->engine(), 1) == "not durable");
    CHECK(store->shut_down().system_error() == error);
    CHECK(faults.calls(SystemCall::kSync) == 1);
    CHECK(errors == 1);
    CHECK(faults.threads() == 0);

    // Its superblock was stored before the sync failed, and does not count.
    EngineUnderTest reopened(path, quiet_options());
    CHECK(reopened.read(IntKey(1)) == "durable");
    CHECK(reopened.verify() == "");
  }
}

TEST_CASE("faults: a store that cannot be opened for want of memory can be opened again, and holds what it held") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  uint64_t refused = 0;
  for (const std::string& name : {path, std::string(":memory:")}) {
    for (const bool for_ever : {false, true}) {
      for (uint64_t nth = 1;; nth++) {
        CAPTURE(nth);
        std::shared_ptr<Store> store;
        MemoryFaults::arm(nth, for_ever);
        Status status;
        {
          const MemoryFaults::Scope scope;
          status = Store::open(name, quiet_options(), nullptr, &store);
        }
        MemoryFaults::disarm();
        if (MemoryFaults::hits() == 0) {
          REQUIRE(status.ok());
          CHECK(close_store(std::move(store)).ok());
          break;
        }
        if (!status.ok()) {
          CHECK(status.code() == Code::kNoMemory);
          CHECK(store == nullptr);
          refused++;
        }
        store.reset();
        REQUIRE(Store::open(name, quiet_options(), nullptr, &store).ok());
        CHECK(close_store(std::move(store)).ok());
      }
    }
  }
  MESSAGE("fault injection: ", refused, " openings refused for want of memory");
  CHECK(refused > 20);
}

TEST_CASE("faults: an opener without memory does not keep another one out") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  { EngineUnderTest created(path, quiet_options()); }
  int bad = 0;
  uint64_t refused = 0;
  for (uint64_t nth = 1; nth <= 40; nth++) {
    MemoryFaults::arm(nth, true);
    Status first;
    std::atomic<bool> begun{false};
    std::thread unlucky([&] {
      std::shared_ptr<Store> store;
      // Called when the file is locked and registered.
      const Progress progress = [&](const char*, uint64_t, uint64_t) {
        begun = true;
        begun.notify_one();
        return true;
      };
      {
        const MemoryFaults::Scope scope;
        first = Store::open(path, quiet_options(), progress, &store);
      }
      begun = true;
      begun.notify_one();
    });
    begun.wait(false);
    std::shared_ptr<Store> store;
    const Status second = Store::open(path, quiet_options(), nullptr, &store);
    unlucky.join();
    MemoryFaults::disarm();
    bad += !second.ok() || (!first.ok() && first.code() != Code::kNoMemory);
    refused += !first.ok();
    if (second.ok()) bad += !close_store(std::move(store)).ok();
  }
  CHECK(bad == 0);
  CHECK(refused > 5);
}

TEST_CASE("faults: memory is gone for all threads of a store, and comes back") {
  constexpr int64_t kKeys = 150;
  constexpr uint64_t kLastAllocation = 60;
  TemporaryFolder folder;
  std::vector<std::string> values;
  for (int64_t key = 0; key < kKeys; key++) values.push_back(random_text(400, static_cast<uint64_t>(key)));
  uint64_t runs = 0;
  uint64_t hit = 0;
  uint64_t refused = 0;
  for (const bool for_ever : {false, true}) {
    for (uint64_t nth = 1; nth <= kLastAllocation; nth++) {
      CAPTURE(nth);
      CAPTURE(for_ever);
      const std::string path = folder.path("a.mmcb");
      std::filesystem::remove(path);
      Options options = small_options();
      options.sync_interval_ms = 1;
      options.compaction = CompactionPolicy::kSpace;
      options.compaction_interval_ms = 1;
      std::shared_ptr<Store> store;
      REQUIRE(Store::open(path, options, nullptr, &store).ok());
      // A listener of the kind that the binding has: it keeps what it hears.
      std::vector<std::string> heard;
      store->add_listener([&](const StoreEvent& event) { heard.push_back(std::string(64, 'e') + char(event.type)); });
      Engine& engine = store->engine();
      std::vector<bool> written(kKeys);
      const auto expected = [&](const Status& status) {
        if (status.ok()) return true;
        refused++;
        return status.code() == Code::kNoMemory;
      };
      bool good = true;
      MemoryFaults::arm(nth, for_ever);
      MemoryFaults::set_everywhere(true);
      for (int64_t key = 0; key < kKeys; key++) {
        const Status status = engine.set(IntKey(key), bytes(values[static_cast<size_t>(key)]), nullptr);
        good = good && expected(status);
        written[static_cast<size_t>(key)] = status.ok();
        if (key == kKeys / 2) good = good && expected(store->flush());
      }
      for (int64_t key = 0; key < kKeys; key += 2) {
        if (written[static_cast<size_t>(key)] && engine.erase(IntKey(key)).ok()) {
          written[static_cast<size_t>(key)] = false;
        }
      }
      CompactionReport report;
      good = good && expected(store->compact(nullptr, &report));
      VerifyReport verified;
      good = good && expected(store->verify({}, nullptr, &verified));
      (void)store->backup(path, false, nullptr);  // onto itself: refused either way
      MemoryFaults::set_everywhere(false);
      MemoryFaults::disarm();
      CHECK(good);
      runs++;
      hit += MemoryFaults::hits() != 0;

      CHECK(store->flush().ok());
      CHECK(store->compact(nullptr, &report).ok());
      verified = VerifyReport();
      CHECK(store->verify({}, nullptr, &verified).ok());
      CHECK(verified.errors.empty());
      CHECK(close_store(std::move(store)).ok());
      EngineUnderTest reopened(path, small_options());
      CHECK(reopened->recovery().status == RecoveryStatus::kClean);
      for (int64_t key = 0; key < kKeys; key++) {
        const auto at = static_cast<size_t>(key);
        if (reopened.read(IntKey(key)) != (written[at] ? values[at] : "<NOT_FOUND>")) good = false;
      }
      CHECK(good);
    }
  }
  MESSAGE("fault injection: ", runs, " runs with threads, ", hit, " of them hit, ", refused, " calls refused");
  CHECK(hit > runs / 2);
  CHECK(refused > 20);
}
