// Store: threads, sharing, group commit, policies; under ThreadSanitizer the proof that reads without locks are sound.
#include "core/store.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/shared_store.h"
#include "support/engine_fixture.h"
#include "support/forwarding_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

std::shared_ptr<Store> open_store(const std::string& path, const Options& options) {
  std::shared_ptr<Store> store;
  const Status status = Store::open(path, options, nullptr, &store);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return store;
}

// A value whose every byte follows from its first ones: a torn one is recognised.
void fill_value(std::vector<std::byte>& value, uint64_t key, uint64_t id) {
  std::memcpy(value.data(), &key, 8);
  std::memcpy(value.data() + 8, &id, 8);
  for (size_t i = 16; i < value.size(); i++) value[i] = static_cast<std::byte>(key * 31 + id * 7 + i);
}
bool is_whole(const std::vector<std::byte>& value, size_t size, uint64_t key) {
  uint64_t id;
  std::memcpy(&id, value.data() + 8, 8);
  std::vector<std::byte> expected(size);
  fill_value(expected, key, id);
  return std::memcmp(expected.data(), value.data(), size) == 0;
}

}  // namespace

TEST_CASE("two writers, two readers, sync points and a compaction at once") {
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    TemporaryFolder folder;
    Options options = small_options();
    options.durability = durability;
    options.sync_interval_ms = 5;
    options.extension_factor = 1.5;
    const auto store = open_store(folder.path("a.mmcb"), options);
    Engine& engine = store->engine();
    constexpr uint64_t kKeys = 400;
    constexpr int kOperations = 12000;
    std::atomic<bool> done{false};
    std::atomic<uint64_t> reads{0};
    std::atomic<int> bad{0};

    const auto write = [&](uint64_t parity) {
      std::mt19937_64 random(parity + 1);
      for (int i = 0; i < kOperations; i++) {
        const uint64_t key = random() % (kKeys / 2) * 2 + parity;
        const IntKey name(static_cast<int64_t>(key));
        if (random() % 16 == 0) {
          const Status status = engine.erase(name);
          if (!status.ok() && status.code() != Code::kNotFound) bad++;
          continue;
        }
        std::vector<std::byte> value(16 + random() % 300);
        fill_value(value, key, random());
        if (!engine.set(name, value, nullptr).ok()) bad++;
      }
    };
    const auto read = [&](uint64_t seed) {
      std::mt19937_64 random(seed);
      const Reader reader(engine);
      std::vector<std::byte> value(512);
      while (!done) {
        const uint64_t key = random() % kKeys;
        uint64_t size = 0;
        const Status status = engine.read(reader, Key(IntKey(static_cast<int64_t>(key))), value, &size);
        if (status.ok() ? !is_whole(value, size, key) : status.code() != Code::kNotFound) bad++;
        reads++;
      }
    };
    std::thread readers[] = {std::thread(read, 11), std::thread(read, 12)};
    std::thread compaction([&] {
      while (!done) {
        CompactionReport report;
        if (!store->compact(nullptr, &report).ok()) bad++;
      }
    });
    std::thread writers[] = {std::thread(write, 0), std::thread(write, 1)};
    for (std::thread& writer : writers) writer.join();
    done = true;
    for (std::thread& reader : readers) reader.join();
    compaction.join();
    CHECK(bad == 0);
    CHECK(reads > 0);
    VerifyReport report;
    REQUIRE(store->verify(VerifyOptions(), nullptr, &report).ok());
    CHECK_MESSAGE(report.errors.empty(), (report.errors.empty() ? "" : report.errors[0].message));
    CHECK(close_store(store).ok());
  }
}

TEST_CASE("one file is one engine in a process, by whatever path, until the last one lets go") {
  TemporaryFolder folder;
  const auto first = open_store(folder.path("a.mmcb"), small_options());
  std::filesystem::create_symlink(folder.path("a.mmcb"), folder.path("link.mmcb"));
  const auto second = open_store(folder.path("link.mmcb"), small_options());
  CHECK(&first->engine() == &second->engine());
  REQUIRE(first->engine().set(IntKey(1), bytes("one"), nullptr).ok());
  REQUIRE(close_store(first).ok());
  CHECK(second->engine().count(KindFilter::kAll) == 1);
  REQUIRE(close_store(second).ok());
  const auto third = open_store(folder.path("a.mmcb"), small_options());
  CHECK(third->engine().recovery().status == RecoveryStatus::kClean);
  CHECK(third->engine().count(KindFilter::kAll) == 1);
}

TEST_CASE("who has a store for himself is known to all who share it, and to nobody else") {
  TemporaryFolder folder;
  const auto first = open_store(folder.path("a.mmcb"), small_options());
  const auto second = open_store(folder.path("a.mmcb"), small_options());
  const auto memory = open_store(":memory:", small_options());
  first->owner() = 7;
  CHECK(memory->owner() == 0);
  REQUIRE(close_store(first).ok());
  CHECK(second->owner() == 7);
  REQUIRE(close_store(second).ok());
  CHECK(open_store(folder.path("a.mmcb"), small_options())->owner() == 0);
}

TEST_CASE("openers and closers of one file in many threads do not meet half-open engines") {
  TemporaryFolder folder;
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; i++) {
        std::shared_ptr<Store> store;
        if (!Store::open(folder.path("a.mmcb"), small_options(), nullptr, &store).ok()) {
          bad++;
          continue;
        }
        if (!store->engine().set(IntKey(t), bytes("x"), nullptr).ok()) bad++;
        if (!close_store(std::move(store)).ok()) bad++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(bad == 0);
  CHECK(open_store(folder.path("a.mmcb"), small_options())->engine().count(KindFilter::kAll) == 4);
}

TEST_CASE("concurrent flushes share sync points, and each covers what came before it") {
  TemporaryFolder folder;
  Options options = small_options();
  options.sync_interval_ms = 1u << 30;
  const auto store = open_store(folder.path("a.mmcb"), options);
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  constexpr int kFlushes = 25;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kFlushes; i++) {
        const uint64_t epoch = store->engine().stats().open_epoch;
        if (!store->engine().set(IntKey(t), bytes(std::to_string(i)), nullptr).ok()) bad++;
        if (!store->flush().ok() || store->engine().stats().durable_epoch < epoch) bad++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(bad == 0);
  CHECK(store->engine().stats().syncs < 8 * kFlushes);
  REQUIRE(store->flush().ok());
}

namespace {

// A disk that takes its time, and tells when it is asked to sync.
class SlowFile final : public ForwardingFile {
 public:
  SlowFile(std::unique_ptr<File> file, std::function<void()>& syncing)
      : ForwardingFile(std::move(file)), syncing_(syncing) {}
  Status sync() override {
    if (syncing_) syncing_();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ForwardingFile::sync();
  }

 private:
  std::function<void()>& syncing_;
};

class SlowPlatform final : public ForwardingPlatform {
 public:
  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    MMCB_TRY(ForwardingPlatform::open(path, mode, file));
    *file = std::make_unique<SlowFile>(std::move(*file), syncing);
    return Status();
  }

  std::function<void()> syncing;
};

}  // namespace

TEST_CASE("who comes again as soon as a sync point has served him shares the next one with those who came meanwhile") {
  TemporaryFolder folder;
  SlowPlatform platform;
  Options options = small_options();
  options.durability = Durability::kProcess;  // no sync points but those asked for
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, folder.path("a.mmcb"), options, nullptr, &engine).ok());
  SharedStore store(std::move(engine), false);
  REQUIRE(store.start().ok());
  // One comes while a sync point is under way, and one as soon as it is over.
  bool is_waiting = false;  // the sync thread's, as both callbacks are
  platform.syncing = [&] {
    if (std::exchange(is_waiting, true)) return;
    REQUIRE(store.engine().set(IntKey(1), bytes("x"), nullptr).ok());
    store.flush([&](const Status&) { is_waiting = false; });
  };
  constexpr int kRounds = 20;
  const uint64_t before = store.engine().stats().syncs;
  for (int round = 0; round < kRounds; round++) {
    REQUIRE(store.engine().set(IntKey(2), bytes("x"), nullptr).ok());
    REQUIRE(store.flush().ok());
  }
  // One a round; served in turns they would take two.
  CHECK(store.engine().stats().syncs - before < kRounds * 3 / 2);
  CHECK(store.shut_down().ok());
}

TEST_CASE("who waits for a sync point waits for the disk once, and it is confirmed when nobody waits") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  SlowPlatform platform;
  Options options = small_options();
  options.sync_interval_ms = 300;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, path, options, nullptr, &engine).ok());
  SharedStore store(std::move(engine), false);
  std::atomic<int> syncs{0};
  platform.syncing = [&] { syncs++; };
  std::mutex mutex;
  std::condition_variable told;
  int points = 0;
  store.add_listener([&](const StoreEvent& event) {
    const std::lock_guard guard(mutex);
    points += event.type == StoreEvent::Type::kSync;
    told.notify_one();
  });
  const auto is_confirmed = [&] {
    const std::string file = read_file(path);
    Superblock places[2];
    for (size_t i = 0; i < 2; i++)
      REQUIRE(decode_in_place(reinterpret_cast<const std::byte*>(file.data()), i, &places[i]) ==
              SuperblockVerdict::kValid);
    return (places[places[1].sequence > places[0].sequence].flags & kFlagUnconfirmed) == 0;
  };
  REQUIRE(store.start().ok());
  for (int i = 0; i < 3; i++) {
    // Should the interval end in between, there is nothing left to flush; it is not that short.
    REQUIRE(store.engine().set(IntKey(1), bytes("x"), nullptr).ok());
    const int before = syncs;
    REQUIRE(store.flush().ok());
    CHECK(syncs - before == 1);
    CHECK(!is_confirmed());
  }
  std::unique_lock lock(mutex);
  REQUIRE(told.wait_for(lock, std::chrono::seconds(30), [&] { return points == 4; }));
  lock.unlock();
  CHECK(syncs == 5);
  CHECK(is_confirmed());
  CHECK(store.flush().ok());  // nothing to do
  CHECK(syncs == 5);
  CHECK(store.shut_down().ok());
}

TEST_CASE("policy 'space' frees the space of deletes without later writes, and holds steady updates to the bound") {
  TemporaryFolder folder;
  Options options = small_options();
  options.compaction = CompactionPolicy::kSpace;
  options.compaction_interval_ms = 10;
  options.sync_interval_ms = 20;
  const auto store = open_store(folder.path("a.mmcb"), options);
  Engine& engine = store->engine();
  std::mt19937_64 random(5);
  constexpr int64_t kKeys = 4000;
  const auto put = [&](int64_t key) {
    return engine.set(IntKey(key), bytes(random_text(250 + random() % 501, random())), nullptr);
  };
  for (int64_t key = 0; key < kKeys; key++) REQUIRE(put(key).ok());
  double worst = 0;
  for (int i = 0; i < 12000; i++) {
    REQUIRE(put(static_cast<int64_t>(random() % kKeys)).ok());
    if (i % 200 != 0) continue;
    const Stats stats = engine.stats();
    worst = std::max(worst, static_cast<double>(stats.file_size) / (static_cast<double>(stats.data_size) * 1.3));
  }
  CHECK(worst <= 1.5);
  MESSAGE("largest size of the file: ", worst, " x (live data x extension factor)");
  for (int64_t key = 0; key < kKeys; key++) {
    if (key % 20 != 0) REQUIRE(engine.erase(IntKey(key)).ok());
  }
  const uint64_t before = engine.stats().file_size;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (engine.stats().file_size > before / 4 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(engine.stats().file_size <= before / 4);
}

TEST_CASE("a full file refuses new entries, and goes on with updates that take no more than there was") {
  for (const CompactionPolicy policy :
       {CompactionPolicy::kSpace, CompactionPolicy::kTime, CompactionPolicy::kDisabled}) {
    TemporaryFolder folder;
    Options options = small_options();
    options.compaction = policy;
    options.compaction_interval_ms = 3'600'000;
    options.sync_interval_ms = 3'600'000;
    options.max_size = 1 << 20;
    const auto store = open_store(folder.path("a.mmcb"), options);
    Engine& engine = store->engine();
    const std::vector<std::string> values = {random_text(200, 0), random_text(200, 1), random_text(200, 2),
                                             random_text(200, 3), random_text(200, 4)};
    const auto value = [&](uint64_t id) { return bytes(values[id]); };
    int64_t keys = 0;
    Status full;
    while ((full = engine.set(IntKey(keys), value(0), nullptr)).ok()) keys++;
    CHECK(full.code() == Code::kFull);
    Address plain;
    CHECK(engine.add(value(0), &plain).code() == Code::kFull);

    // As far apart as can be, each in an epoch of its own for whoever has it: nothing is updated in place.
    uint64_t refused = 0;
    const uint64_t rounds = policy == CompactionPolicy::kSpace ? 4 : 1;
    for (uint64_t round = 1; round <= rounds; round++) {
      REQUIRE(store->flush().ok());
      for (int64_t i = 0; i < keys; i++) {
        const IntKey key(i * 7919 % keys);
        const IntKey other((i * 7919 + 1) % keys);
        BatchOperation operations[2];
        for (BatchOperation& operation : operations) operation.type = BatchOperation::Type::kSet;
        operations[0].key = key;
        operations[1].key = other;
        const Bytes data = value(round);
        operations[0].data = operations[1].data = data;
        Status status = i % 2 == 0 ? engine.set(key, data, nullptr) : engine.batch(operations);
        if (!status.ok()) {
          CHECK(status.code() == Code::kFull);
          // Nobody compacts: that is then for the program.
          REQUIRE(policy != CompactionPolicy::kSpace);
          refused++;
          CompactionReport report;
          REQUIRE(store->compact(nullptr, &report).ok());
          REQUIRE((i % 2 == 0 ? engine.set(key, data, nullptr) : engine.batch(operations)).ok());
        }
      }
      CHECK(engine.set(IntKey(keys), value(0), nullptr).code() == Code::kFull);
    }
    CHECK((refused == 0) == (policy == CompactionPolicy::kSpace));
    VerifyReport report;
    REQUIRE(store->verify({}, nullptr, &report).ok());
    CHECK(report.error_count == 0);
    CHECK(engine.count(KindFilter::kAll) == static_cast<uint64_t>(keys));
    const Reader reader(engine);
    std::string found(200, 0);
    const MutableBytes target(reinterpret_cast<std::byte*>(found.data()), found.size());
    for (int64_t key = 0; key < keys; key++) {
      uint64_t size = 0;
      REQUIRE(engine.read(reader, Key(IntKey(key)), target, &size).ok());
      CHECK(found == values[rounds]);
    }
    // An update that takes more is as good as a new entry.
    CHECK(engine.set(IntKey(0), bytes(random_text(100'000, 1)), nullptr).code() == Code::kFull);
    for (int64_t key = 0; key < keys / 2; key++) REQUIRE(engine.erase(IntKey(key)).ok());
    REQUIRE(store->flush().ok());
    CompactionReport compacted;
    REQUIRE(store->compact(nullptr, &compacted).ok());
    REQUIRE(engine.set(IntKey(keys), value(0), nullptr).ok());
  }
}

TEST_CASE("an update in a full file waits for a disk that is slow") {
  TemporaryFolder folder;
  SlowPlatform platform;
  Options options = small_options();
  options.sync_interval_ms = 3'600'000;
  options.max_size = 1 << 20;
  std::unique_ptr<Engine> engine;
  REQUIRE(Engine::open(platform, folder.path("a.mmcb"), options, nullptr, &engine).ok());
  SharedStore store(std::move(engine), false);
  REQUIRE(store.start().ok());
  const std::string value = random_text(200, 1);
  int64_t keys = 0;
  while (store.engine().set(IntKey(keys), bytes(value), nullptr).ok()) keys++;
  REQUIRE(store.flush().ok());
  std::atomic<int> slow{1};
  platform.syncing = [&] {
    if (slow.fetch_sub(1) == 1) std::this_thread::sleep_for(std::chrono::milliseconds(800));
  };
  for (int64_t key = 0; key < keys; key++) REQUIRE(store.engine().set(IntKey(key), bytes(value), nullptr).ok());
  CHECK(slow < 1);
  CHECK(store.shut_down().ok());
}

TEST_CASE("a store in memory works like one on disk") {
  const auto store = open_store(":memory:", small_options());
  for (int64_t key = 0; key < 2000; key++)
    REQUIRE(store->engine().set(IntKey(key), bytes(random_text(100, key)), nullptr).ok());
  for (int64_t key = 0; key < 1900; key++) REQUIRE(store->engine().erase(IntKey(key)).ok());
  REQUIRE(store->flush().ok());
  const uint64_t before = store->engine().stats().file_size;
  CompactionReport report;
  REQUIRE(store->compact(nullptr, &report).ok());
  CHECK(store->engine().stats().file_size < before / 3);
  TemporaryFolder folder;
  REQUIRE(store->backup(folder.path("b.mmcb"), false, nullptr).ok());
  CHECK(open_store(folder.path("b.mmcb"), small_options())->engine().count(KindFilter::kIntKey) == 100);
}
