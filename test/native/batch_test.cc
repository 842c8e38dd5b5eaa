// Batch: what makes one fail, before or at its commit, and that nothing has happened then.
#include "core/batch.h"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/engine_fixture.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

using Type = BatchOperation::Type;

BatchOperation operation(Type type, Address address, Bytes data = {}) { return {type, address, {}, data}; }
BatchOperation operation(Type type, const Key& key, Bytes data = {}) { return {type, {}, key, data}; }

Status run(Engine& engine, std::vector<BatchOperation> operations) { return engine.batch(operations); }

// Changes bytes of a file that is open: the mapping sees them.
void overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

// Everything that can be seen of a store: what fails must leave it alone.
std::string picture(EngineUnderTest& store) {
  std::string all;
  uint64_t cursor = 0;
  Address address;
  uint64_t offset = 0;
  while (store->next(KindFilter::kAll, &cursor, &address, &offset)) {
    all += std::to_string(address.to_integer()) + "@" + std::to_string(offset) + "=" + store.read(address) + ";";
  }
  const Stats s = store->stats();
  return all + std::to_string(s.count) + " " + std::to_string(s.int_count) + " " + std::to_string(s.string_count) +
         " " + std::to_string(s.live_bytes) + store.verify();
}

}  // namespace

TEST_CASE("one operation that cannot be done is enough for none to be done") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  Address address;
  Address gone;
  REQUIRE(store->add(bytes("one"), &address).ok());
  REQUIRE(store->add(bytes("two"), &gone).ok());
  REQUIRE(store->remove(gone).ok());
  REQUIRE(store->set(string_key("key"), bytes("three"), nullptr).ok());
  const std::string before = picture(store);
  const std::string long_key(70'000, 'k');
  const BatchOperation failing[] = {
      operation(Type::kUpdate, gone, bytes("x")),
      operation(Type::kRemove, gone),
      operation(Type::kDelete, string_key("none")),
      operation(Type::kSet, string_key(long_key), bytes("x")),
  };
  const Code codes[] = {Code::kNotFound, Code::kNotFound, Code::kNotFound, Code::kTooLarge};
  for (size_t i = 0; i < 4; i++) {
    CAPTURE(i);
    CHECK(run(*store, {operation(Type::kAdd, Address{}, bytes("new")), operation(Type::kUpdate, address, bytes("1")),
                       operation(Type::kDelete, string_key("key")), failing[i]})
              .code() == codes[i]);
    CHECK(picture(store) == before);
  }
  // What the batch itself has removed is not there for what comes after.
  CHECK(run(*store, {operation(Type::kRemove, address), operation(Type::kUpdate, address, bytes("x"))}).code() ==
        Code::kNotFound);
  CHECK(
      run(*store, {operation(Type::kDelete, string_key("key")), operation(Type::kDelete, string_key("key"))}).code() ==
      Code::kNotFound);
  CHECK(picture(store) == before);
  // But may be set again.
  CHECK(run(*store, {operation(Type::kDelete, string_key("key")), operation(Type::kSet, string_key("key"), bytes("4"))})
            .ok());
  CHECK(store.read(string_key("key")) == "4");
  store.crash();
  CHECK(store.read(string_key("key")) == "4");
}

TEST_CASE("an insert is a set of a key that nobody has") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  REQUIRE(store->set(string_key("key"), bytes("first"), nullptr).ok());
  const std::string before = picture(store);
  CHECK(run(*store, {operation(Type::kInsert, string_key("new"), bytes("1")),
                     operation(Type::kInsert, string_key("key"), bytes("2"))})
            .code() == Code::kExists);
  CHECK(run(*store, {operation(Type::kInsert, string_key("twice"), bytes("1")),
                     operation(Type::kInsert, string_key("twice"), bytes("2"))})
            .code() == Code::kExists);
  CHECK(picture(store) == before);
  // What the batch itself has deleted is nobody's.
  CHECK(run(*store,
            {operation(Type::kDelete, string_key("key")), operation(Type::kInsert, string_key("key"), bytes("second")),
             operation(Type::kInsert, string_key("new"), bytes("1"))})
            .ok());
  CHECK(store.read(string_key("key")) == "second");
  CHECK(store.read(string_key("new")) == "1");
  CHECK(store.verify().empty());
}

TEST_CASE("what a batch requires must be there, and stays as it is") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  REQUIRE(store->set(string_key("key"), bytes("first"), nullptr).ok());
  const std::string before = picture(store);
  CHECK(run(*store,
            {operation(Type::kInsert, string_key("new"), bytes("1")), operation(Type::kRequire, string_key("other"))})
            .code() == Code::kNotFound);
  CHECK(
      run(*store, {operation(Type::kDelete, string_key("key")), operation(Type::kRequire, string_key("key"))}).code() ==
      Code::kNotFound);
  CHECK(run(*store, {operation(Type::kInsert, string_key("new"), bytes("1")),
                     operation(Type::kDelete, string_key("new")), operation(Type::kRequire, string_key("new"))})
            .code() == Code::kNotFound);
  CHECK(run(*store, {operation(Type::kRequire, string_key("key"))}).ok());
  CHECK(picture(store) == before);
  CHECK(run(*store,
            {operation(Type::kRequire, string_key("key")), operation(Type::kInsert, string_key("new"), bytes("1")),
             operation(Type::kRequire, string_key("new")), operation(Type::kSet, string_key("key"), bytes("second")),
             operation(Type::kRequire, string_key("key"))})
            .ok());
  CHECK(store.read(string_key("key")) == "second");
  CHECK(store.read(string_key("new")) == "1");
  CHECK(store.verify().empty());
}

TEST_CASE("what a batch requires to have certain data must have them, as the operations before leave it") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  REQUIRE(store->set(string_key("key"), bytes("first"), nullptr).ok());
  const IntKey seven(7);
  REQUIRE(store->set(seven, bytes("seven"), nullptr).ok());
  const std::string before = picture(store);
  for (const char* other : {"firs", "first!", "First", "second"}) {
    CHECK(run(*store, {operation(Type::kInsert, string_key("new"), bytes("1")),
                       operation(Type::kRequire, string_key("key"), bytes(other))})
              .code() == Code::kNotFound);
  }
  CHECK(run(*store, {operation(Type::kRequire, string_key("other"), bytes("first"))}).code() == Code::kNotFound);
  CHECK(run(*store,
            {operation(Type::kDelete, string_key("key")), operation(Type::kRequire, string_key("key"), bytes("first"))})
            .code() == Code::kNotFound);
  CHECK(run(*store, {operation(Type::kSet, string_key("key"), bytes("second")),
                     operation(Type::kRequire, string_key("key"), bytes("first"))})
            .code() == Code::kNotFound);
  CHECK(run(*store, {operation(Type::kRequire, string_key("key"), bytes("first")),
                     operation(Type::kRequire, seven, bytes("seven"))})
            .ok());
  CHECK(picture(store) == before);
  CHECK(run(*store, {operation(Type::kRequire, string_key("key"), bytes("first")),
                     operation(Type::kSet, string_key("key"), bytes("second")),
                     operation(Type::kInsert, string_key("new"), bytes("1")),
                     operation(Type::kRequire, string_key("key"), bytes("second")),
                     operation(Type::kRequire, string_key("new"), bytes("1"))})
            .ok());
  CHECK(store.read(string_key("key")) == "second");
  CHECK(store.verify().empty());
}

TEST_CASE("of threads that insert the same keys one wins each") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  constexpr int64_t kKeys = 500;
  constexpr int64_t kThreads = 4;
  std::atomic<int64_t> won = 0;
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < kThreads; t++) {
    threads.emplace_back([&] {
      for (int64_t i = 0; i < kKeys; i++) {
        const std::string key = std::to_string(i);
        const Status status = run(*store, {operation(Type::kInsert, string_key(key), bytes("x"))});
        if (status.ok()) won++;
        if (!status.ok() && status.code() != Code::kExists) won = -kKeys;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(won == kKeys);
  CHECK(store->stats().string_count == kKeys);
}

TEST_CASE("a batch that meets damage says so and changes nothing") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Options options = small_options();
  options.recovery = RecoveryMode::kSalvage;
  EngineUnderTest store(path, options);
  Address sound;
  Address damaged;
  REQUIRE(store->add(bytes("sound"), &sound).ok());
  REQUIRE(store->add(bytes("damaged"), &damaged).ok());
  REQUIRE(store->set(string_key("key"), bytes("x"), nullptr).ok());
  EntryInfo info;
  REQUIRE(store->info(damaged, &info).ok());
  overwrite(path, info.offset + 4, "\xff\xff\xff\x7f");  // its size
  CHECK(run(*store, {operation(Type::kUpdate, sound, bytes("1")), operation(Type::kUpdate, damaged, bytes("2"))})
            .code() == Code::kCorrupt);
  CHECK(run(*store, {operation(Type::kUpdate, sound, bytes("1")), operation(Type::kRemove, damaged)}).code() ==
        Code::kCorrupt);
  CHECK(store.read(sound) == "sound");
  uint64_t removed = 0;
  CHECK(store->clear(KindFilter::kPlain, &removed).code() == Code::kCorrupt);
  CHECK(store.read(sound) == "sound");
  CHECK(store->count(KindFilter::kAll) == 3);
}

TEST_CASE("a batch that runs out of memory, in whatever table, changes nothing and can be repeated") {
  TemporaryFolder folder;
  for (unsigned nth = 1;; nth++) {
    CAPTURE(nth);
    FailingPlatform platform;
    std::unique_ptr<Engine> engine;
    Options options = small_options();
    const std::string path = folder.path(std::to_string(nth));
    REQUIRE(Engine::open(platform, path, options, nullptr, &engine).ok());
    std::vector<std::string> keys;
    std::vector<IntKey> numbers;
    std::vector<BatchOperation> operations;
    for (int i = 0; i < 6000; i++) {
      keys.push_back("key " + std::to_string(i));
      numbers.emplace_back(i);
    }
    for (int i = 0; i < 6000; i++) {
      operations.push_back(operation(Type::kAdd, Address{}, bytes("plain")));
      operations.push_back(operation(Type::kSet, numbers[static_cast<size_t>(i)], bytes("number")));
      operations.push_back(operation(Type::kSet, string_key(keys[static_cast<size_t>(i)]), bytes("text")));
    }
    platform.fail(SystemCall::kCommit, nth);
    const Status status = engine->batch(operations);
    const bool met = !platform.withdraw();
    CHECK(engine->count(KindFilter::kAll) == (met ? 0 : 18'000));
    CHECK(status.code() == (met ? Code::kNoMemory : Code::kOk));
    if (met) {
      CHECK(engine->batch(operations).ok());
      CHECK(engine->count(KindFilter::kStringKey) == 6000);
    }
    engine.reset();
    std::remove(path.c_str());
    if (!met) {
      CHECK(nth > 3);
      break;
    }
  }
}

TEST_CASE("a batch, or a clear(), whose list finds no room in a full file changes nothing") {
  TemporaryFolder folder;
  Options options = small_options();
  options.max_size = 2 << 20;
  EngineUnderTest store(folder.path("a.mmcb"), options);
  std::vector<BatchOperation> removals;
  Address address;
  Status status;
  int keyed = 0;
  while ((status = store->add(bytes(std::string(100, 'x')), &address)).ok()) {
    if (removals.size() < 700) removals.push_back(operation(Type::kRemove, address));
    if (keyed < 700 && store->set(IntKey(keyed), bytes("number"), nullptr).ok()) keyed++;
  }
  REQUIRE(status.code() == Code::kFull);
  const uint64_t count = store->count(KindFilter::kAll);
  // 700 removals are a list of more than a segment.
  CHECK(store->batch(removals).code() == Code::kFull);
  uint64_t removed = 0;
  CHECK(store->clear(KindFilter::kIntKey, &removed).code() == Code::kFull);
  CHECK(store->count(KindFilter::kAll) == count);
  CHECK(store.verify() == "");
  store.crash();
  CHECK(store->count(KindFilter::kAll) == count);
  CHECK(store.verify() == "");
  // Fewer fit the journal, and everything at once is one mark for each segment.
  removals.resize(10);
  CHECK(store->batch(removals).ok());
  CHECK(store->clear(KindFilter::kAll, &removed).ok());
  CHECK(removed == count - 10);
  CHECK(store->count(KindFilter::kAll) == 0);
}

TEST_CASE("clear() of everything passes over free and emptied segments, plain and keyed, in both modes") {
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    TemporaryFolder folder;
    Options options = small_options();
    options.durability = durability;
    EngineUnderTest store(folder.path("a.mmcb"), options);
    std::vector<Address> addresses(100);
    for (Address& address : addresses) REQUIRE(store->add(bytes(std::string(1500, 'x')), &address).ok());
    REQUIRE(store->set(IntKey(1), bytes("number"), nullptr).ok());
    REQUIRE(store->set(string_key("text"), bytes("text"), nullptr).ok());
    for (size_t i = 0; i < 50; i++) REQUIRE(store->remove(addresses[i]).ok());
    uint64_t removed = 0;
    REQUIRE(store->clear(KindFilter::kAll, &removed).ok());
    CHECK(removed == 52);
    CHECK(store.read(IntKey(1)) == "<NOT_FOUND>");
    CHECK(store->stats().live_bytes == head_size(options.segment_size, options.journal_size));
    CHECK(store.verify() == "");
    store.crash();
    CHECK(store->count(KindFilter::kAll) == 0);
    REQUIRE(store->clear(KindFilter::kAll, &removed).ok());
    CHECK(removed == 0);
  }
}

TEST_CASE("clear() of more segments than the journal can list") {
  TemporaryFolder folder;
  Options options = small_options();
  options.max_size = 6 << 20;
  EngineUnderTest store(folder.path("a.mmcb"), options);
  const std::string text(9000, 'x');  // a segment each
  Address address;
  Status status;
  while ((status = store->add(bytes(text), &address)).ok()) continue;
  REQUIRE(status.code() == Code::kFull);
  uint64_t removed = 0;
  const uint64_t count = store->count(KindFilter::kAll);
  REQUIRE(count > 200);
  // Its list is longer than the journal and no room is left for it but beside the entries.
  const Status cleared = store->clear(KindFilter::kAll, &removed);
  CHECK((cleared.ok() || cleared.code() == Code::kFull));
  CHECK(store->count(KindFilter::kAll) == (cleared.ok() ? 0 : count));
  CHECK(store.verify() == "");
  store.crash();
  CHECK(store->count(KindFilter::kAll) == (cleared.ok() ? 0 : count));
}

TEST_CASE("a store that may not be written to refuses batches") {
  TemporaryFolder folder;
  Options options = small_options();
  { EngineUnderTest create(folder.path("a.mmcb"), options); }
  options.read_only = true;
  EngineUnderTest store(folder.path("a.mmcb"), options);
  uint64_t removed = 0;
  CHECK(store->batch({}).code() == Code::kReadOnly);
  CHECK(store->clear(KindFilter::kAll, &removed).code() == Code::kReadOnly);
}
