// Engine: behaviour through its public calls, on real files and in memory, against a plain map.
#include "core/engine.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/backup.h"
#include "core/compactor.h"
#include "core/platform/memory_platform.h"
#include "core/platform/posix_platform.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "support/engine_fixture.h"

using namespace mmcb;
using namespace mmcb::test;

TEST_CASE("an entry is added, read, updated in place, relocated and removed") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  Address address;
  REQUIRE(store->add(bytes("hello"), &address).ok());
  CHECK(store.read(address) == "hello");
  REQUIRE(store->update(address, bytes("help")).ok());
  CHECK(store.read(address) == "help");
  const std::string longer(500, 'x');
  REQUIRE(store->update(address, bytes(longer)).ok());
  CHECK(store.read(address) == longer);
  CHECK(store->stats().updates_in_place == 1);
  CHECK(store->stats().relocations == 1);
  REQUIRE(store->remove(address).ok());
  CHECK(store->update(address, bytes("x")).code() == Code::kNotFound);
  CHECK(store->remove(address).code() == Code::kNotFound);
  CHECK(store->was_removed(address));
  CHECK(store.verify() == "");
}

TEST_CASE("a durable version is never overwritten in interval mode, and always in process mode") {
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    TemporaryFolder folder;
    Options options = small_options();
    options.durability = durability;
    EngineUnderTest store(folder.path("a.mmcb"), options);
    Address address;
    REQUIRE(store->add(bytes("one"), &address).ok());
    REQUIRE(store.sync().ok());
    REQUIRE(store->update(address, bytes("two")).ok());
    CHECK(store->stats().updates_in_place == (durability == Durability::kProcess ? 1 : 0));
    REQUIRE(store->update(address, bytes("six")).ok());
    CHECK(store->stats().updates_in_place == (durability == Durability::kProcess ? 2 : 1));
  }
}

TEST_CASE("fetching entries ahead is a hint: whatever the addresses are, nothing changes") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  std::vector<Address> addresses;
  for (int i = 0; i < 200; i++) {
    Address address;
    REQUIRE(store->add(bytes(std::string(static_cast<size_t>(i), 'x')), &address).ok());
    addresses.push_back(address);
  }
  for (size_t i = 0; i < addresses.size(); i += 3) REQUIRE(store->remove(addresses[i]).ok());
  for (const uint64_t number : {uint64_t{0}, uint64_t{1} << 40, uint64_t{0xffff'ffff}, (uint64_t{1} << 53) - 1})
    addresses.push_back(Address::from_integer(number));
  store.prefetch(addresses);
  store.prefetch({});
  for (size_t i = 0; i < 200; i++)
    CHECK(store.read(addresses[i]) == (i % 3 == 0 ? "<NOT_FOUND>" : std::string(i, 'x')));
  CHECK(store.verify() == "");
}

TEST_CASE("a stale address is told from its successor's, after reopening, too") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  Address first;
  REQUIRE(store->add(bytes("first"), &first).ok());
  REQUIRE(store->remove(first).ok());
  for (const bool reopen : {false, true}) {
    if (reopen) store.reopen();
    std::vector<Address> others(3000);
    for (Address& other : others) {
      REQUIRE(store->add(bytes("other"), &other).ok());
      CHECK(other != first);
    }
    CHECK(store.read(first) == "<NOT_FOUND>");
  }
}

TEST_CASE("entries of 0 bytes, of more than a segment, and of more than the journal") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  for (const size_t size : {0u, 1u, 7u, 8u, 5000u, 16200u, 16384u, 100000u, 3000000u}) {
    CAPTURE(size);
    Address address;
    const std::string value = random_text(size, size);
    REQUIRE(store->add(bytes(value), &address).ok());
    CHECK(store.read(address) == value);
    REQUIRE(store->update(address, bytes(value + "!")).ok());
    CHECK(store.read(address) == value + "!");
    REQUIRE(store.sync().ok());
    store.reopen();
    CHECK(store.read(address) == value + "!");
    CHECK(store.verify() == "");
  }
}

TEST_CASE("keys: integers and strings, with any bytes") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  const std::string keys[] = {"", std::string(1, '\0'), "a", "\xff\xfe", std::string(65535, 'k')};
  for (const std::string& key : keys) REQUIRE(store->set(string_key(key), bytes("v" + key.substr(0, 3)), nullptr).ok());
  for (const int64_t key : {INT64_C(0), INT64_C(-1), (INT64_C(1) << 53) - 1, -((INT64_C(1) << 53) - 1)}) {
    REQUIRE(store->set(IntKey(key), bytes(std::to_string(key)), nullptr).ok());
  }
  CHECK(store->set(string_key(std::string(65536, 'k')), bytes("v"), nullptr).code() == Code::kTooLarge);
  for (int round = 0; round < 2; round++) {
    for (const std::string& key : keys) CHECK(store.read(string_key(key)) == "v" + key.substr(0, 3));
    CHECK(store.read(IntKey(-1)) == "-1");
    CHECK(store.read(IntKey(1)) == "<NOT_FOUND>");
    CHECK(store->count(KindFilter::kIntKey) == 4);
    CHECK(store->count(KindFilter::kStringKey) == 5);
    CHECK(store->count(KindFilter::kPlain) == 0);
    store.reopen();
  }
  REQUIRE(store->erase(IntKey(-1)).ok());
  CHECK(store->erase(IntKey(-1)).code() == Code::kNotFound);
}

TEST_CASE("a batch takes effect whole or not at all") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  Address kept;
  Address removed;
  REQUIRE(store->add(bytes("kept"), &kept).ok());
  REQUIRE(store->add(bytes("removed"), &removed).ok());
  const IntKey key(7);
  using Type = BatchOperation::Type;

  std::vector<BatchOperation> bad = {{Type::kAdd, {}, {}, bytes("new")},
                                     {Type::kUpdate, kept, {}, bytes("changed")},
                                     {Type::kRemove, Address{999, 0}, {}, {}}};
  CHECK(store->batch(bad).code() == Code::kNotFound);
  CHECK(store.read(kept) == "kept");
  CHECK(store->count(KindFilter::kAll) == 2);

  std::vector<BatchOperation> good = {{Type::kAdd, {}, {}, bytes("new")},
                                      {Type::kUpdate, kept, {}, bytes("changed")},
                                      {Type::kUpdate, kept, {}, bytes("changed twice")},
                                      {Type::kRemove, removed, {}, {}},
                                      {Type::kSet, {}, key, bytes("seven")},
                                      {Type::kDelete, {}, key, {}},
                                      {Type::kSet, {}, key, bytes("eight")}};
  REQUIRE(store->batch(good).ok());
  for (int round = 0; round < 2; round++) {
    CHECK(store.read(good[0].address) == "new");
    CHECK(store.read(kept) == "changed twice");
    CHECK(store.read(removed) == "<NOT_FOUND>");
    CHECK(store.read(key) == "eight");
    CHECK(store->count(KindFilter::kAll) == 3);
    CHECK(store.verify() == "");
    store.crash();
  }
}

TEST_CASE("a batch too long for the journal, and clear(), survive the process") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  std::vector<std::string> values(2000);
  std::vector<BatchOperation> operations;
  for (size_t i = 0; i < values.size(); i++) {
    values[i] = random_text(i % 90, i);
    operations.push_back({BatchOperation::Type::kAdd, {}, {}, bytes(values[i])});
  }
  REQUIRE(store->batch(operations).ok());
  store.crash();
  for (size_t i = 0; i < values.size(); i++) CHECK(store.read(operations[i].address) == values[i]);
  CHECK(store.verify() == "");
  REQUIRE(store->set(IntKey(1), bytes("one"), nullptr).ok());
  uint64_t removed = 0;
  REQUIRE(store->clear(KindFilter::kPlain, &removed).ok());
  CHECK(removed == values.size());
  CHECK(store.read(IntKey(1)) == "one");
  REQUIRE(store->clear(KindFilter::kIntKey, &removed).ok());
  CHECK(removed == 1);
  CHECK(store->count(KindFilter::kAll) == 0);
  store.crash();
  CHECK(store->count(KindFilter::kAll) == 0);
  CHECK(store.read(operations[5].address) == "<NOT_FOUND>");
  CHECK(store.verify() == "");
}

TEST_CASE("a snapshot keeps what it saw; a backup is one, with the same addresses") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  std::vector<Address> addresses(500);
  for (size_t i = 0; i < addresses.size(); i++) REQUIRE(store->add(bytes(random_text(100, i)), &addresses[i]).ok());
  Engine::Snapshot snapshot;
  REQUIRE(store->open_snapshot(&snapshot).ok());
  EntryInfo info;
  REQUIRE(store->info(addresses[3], &info).ok());
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < addresses.size(); i++)
      REQUIRE(store->update(addresses[i], bytes(random_text(90, 1000 + i))).ok());
    REQUIRE(store.compact().ok());
  }
  std::string old(100, ' ');
  uint64_t copied = 0;
  REQUIRE(store->read_version(info.offset, 0, {reinterpret_cast<std::byte*>(old.data()), old.size()}, &copied).ok());
  CHECK(old == random_text(100, 3));
  store->close_snapshot(snapshot);

  REQUIRE(Backup(*store, posix_platform()).run(folder.path("b.mmcb"), false, nullptr).ok());
  CHECK(Backup(*store, posix_platform()).run(folder.path("b.mmcb"), false, nullptr).code() == Code::kIo);
  EngineUnderTest copy(folder.path("b.mmcb"), small_options());
  CHECK(copy->recovery().status == RecoveryStatus::kClean);
  for (size_t i = 0; i < addresses.size(); i++) CHECK(copy.read(addresses[i]) == random_text(90, 1000 + i));
  CHECK(copy.verify() == "");
}

TEST_CASE("compaction gives space back to the file system") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  std::vector<Address> addresses(5000);
  for (size_t i = 0; i < addresses.size(); i++) REQUIRE(store->add(bytes(random_text(200, i)), &addresses[i]).ok());
  const uint64_t full = store->stats().file_size;
  for (size_t i = 0; i < addresses.size(); i++) {
    if (i % 10 != 0) REQUIRE(store->remove(addresses[i]).ok());
  }
  REQUIRE(store.compact().ok());
  const Stats stats = store->stats();
  CHECK(stats.file_size < full / 4);
  CHECK(stats.live_bytes + stats.slack_bytes + stats.garbage_bytes + stats.free_bytes == stats.file_size);
  uint64_t on_disk = 0;
  {
    std::unique_ptr<File> file;
    REQUIRE(posix_platform().open(folder.path("a.mmcb"), OpenMode::kReadOnly, &file).ok());
    REQUIRE(file->size(&on_disk).ok());
  }
  CHECK(on_disk == stats.file_size);
  for (size_t i = 0; i < addresses.size(); i += 10) CHECK(store.read(addresses[i]) == random_text(200, i));
  CHECK(store.verify() == "");
  for (size_t i = 0; i < addresses.size(); i += 10) REQUIRE(store->remove(addresses[i]).ok());
  REQUIRE(store.compact().ok());
  CHECK(store->stats().file_size < full / 20);
}

TEST_CASE("foreign, newer, truncated and damaged files are refused untouched") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  {
    EngineUnderTest store(path, small_options());
    for (int i = 0; i < 300; i++) {
      Address address;
      REQUIRE(store->add(bytes(random_text(100, i)), &address).ok());
    }
  }
  const std::string whole = read_file(path);
  const auto refused = [&](std::string contents) {
    write_file(path, contents);
    std::unique_ptr<Engine> engine;
    const Status status = Engine::open(posix_platform(), path, small_options(), nullptr, &engine);
    CHECK(read_file(path) == contents);
    return status.code();
  };
  CHECK(refused("hello") == Code::kNotMmcb);
  CHECK(refused(std::string(20000, 'x')) == Code::kNotMmcb);
  CHECK(refused(whole.substr(0, 3000)) == Code::kCorrupt);
  CHECK(refused(whole.substr(0, whole.size() / 2)) == Code::kCorrupt);
  std::string both_bad = whole;
  both_bad[100] ^= 1;
  both_bad[4196] ^= 1;
  CHECK(refused(both_bad) == Code::kCorrupt);
  std::string rotten = whole;
  rotten[rotten.find(random_text(100, 150)) + 5] ^= 1;
  CHECK(refused(rotten) == Code::kCorrupt);

  Options salvage = small_options();
  salvage.recovery = RecoveryMode::kSalvage;
  write_file(path, rotten);
  EngineUnderTest store(path, salvage);
  CHECK(store->recovery().status == RecoveryStatus::kSalvaged);
  CHECK(store->recovery().lost == 1);
  CHECK(store->count(KindFilter::kAll) == 299);
}

TEST_CASE("a second opener of the file is refused while the first writes; read-only openers share") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  Options read_only = small_options();
  read_only.read_only = true;
  std::unique_ptr<Engine> second;
  {
    EngineUnderTest store(path, small_options());
    Address address;
    REQUIRE(store->add(bytes("x"), &address).ok());
    CHECK(Engine::open(posix_platform(), path, small_options(), nullptr, &second).code() == Code::kLocked);
    CHECK(Engine::open(posix_platform(), path, read_only, nullptr, &second).code() == Code::kLocked);
  }
  const std::string before = read_file(path);
  {
    EngineUnderTest one(path, read_only);
    EngineUnderTest two(path, read_only);
    CHECK(one->count(KindFilter::kAll) == 1);
    Address address;
    CHECK(one->add(bytes("x"), &address).code() == Code::kReadOnly);
  }
  CHECK(read_file(path) == before);
}

TEST_CASE("a read-only opener recovers in memory and leaves the file alone") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  std::vector<Address> addresses(300);
  {
    EngineUnderTest store(path, small_options());
    for (size_t i = 0; i < addresses.size(); i++) REQUIRE(store->add(bytes(random_text(100, i)), &addresses[i]).ok());
    REQUIRE(store.sync().ok());
    for (size_t i = 0; i < addresses.size(); i += 2)
      REQUIRE(store->update(addresses[i], bytes(random_text(120, i))).ok());
    store.kill();
  }
  const std::string before = read_file(path);
  Options read_only = small_options();
  read_only.read_only = true;
  {
    EngineUnderTest store(path, read_only);
    CHECK(store->recovery().status == RecoveryStatus::kReplayed);
    for (size_t i = 0; i < addresses.size(); i++)
      CHECK(store.read(addresses[i]) == random_text(i % 2 == 0 ? 120 : 100, i));
    CHECK(store.verify() == "");
  }
  // A copy has another inode: its boot id proves nothing, and it is read as of its last sync point.
  write_file(folder.path("copy.mmcb"), before);
  {
    EngineUnderTest store(folder.path("copy.mmcb"), read_only);
    CHECK(store->recovery().status == RecoveryStatus::kRolledBack);
    CHECK(store->recovery().discarded == 150);
    for (size_t i = 0; i < addresses.size(); i++) CHECK(store.read(addresses[i]) == random_text(100, i));
    CHECK(store.verify() == "");
  }
  CHECK(read_file(path) == before);
  CHECK(read_file(folder.path("copy.mmcb")) == before);
}

TEST_CASE("random operations agree with a plain map, through crashes, reopening, sync points and compaction") {
  const uint64_t first_seed = seed_from_environment();
  for (uint64_t seed = first_seed; seed < first_seed + 40; seed++) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t n) { return random() % n; };
    TemporaryFolder folder;
    Options options = small_options();
    options.durability = below(2) != 0 ? Durability::kInterval : Durability::kProcess;
    EngineUnderTest store(folder.path("a.mmcb"), options);
    std::map<uint64_t, std::string> model;  // by address
    std::map<int64_t, std::string> keyed;
    const auto some = [&] {
      auto at = model.lower_bound(below(1000));
      return at == model.end() ? model.begin() : at;
    };
    for (int step = 0; step < 400; step++) {
      const std::string value = random_text(below(10) == 0 ? below(20000) : below(300), random());
      switch (below(12)) {
        case 0:
        case 1:
        case 2: {
          Address address;
          REQUIRE(store->add(bytes(value), &address).ok());
          REQUIRE(model.emplace(address.to_integer(), value).second);
          break;
        }
        case 3:
        case 4:
          if (!model.empty()) {
            const auto at = some();
            REQUIRE(store->update(Address::from_integer(at->first), bytes(value)).ok());
            at->second = value;
          }
          break;
        case 5:
          if (!model.empty()) {
            const auto at = some();
            REQUIRE(store->remove(Address::from_integer(at->first)).ok());
            model.erase(at);
          }
          break;
        case 6:
        case 7: {
          const IntKey key(static_cast<int64_t>(below(50)) - 25);
          REQUIRE(store->set(key, bytes(value), nullptr).ok());
          keyed[key.number] = value;
          break;
        }
        case 8: {
          const IntKey key(static_cast<int64_t>(below(50)) - 25);
          CHECK(store->erase(key).ok() == (keyed.erase(key.number) == 1));
          break;
        }
        case 9: REQUIRE(store.sync().ok()); break;
        case 10: REQUIRE(store.compact().ok()); break;
        case 11:
          if (below(2) != 0) {
            store.crash();
            CHECK(store->recovery().status == RecoveryStatus::kReplayed);
          } else {
            store.reopen();
            CHECK(store->recovery().status == RecoveryStatus::kClean);
          }
          break;
      }
    }
    for (const auto& [address, value] : model) CHECK(store.read(Address::from_integer(address)) == value);
    for (const auto& [key, value] : keyed) CHECK(store.read(IntKey(key)) == value);
    CHECK(store->count(KindFilter::kPlain) == model.size());
    CHECK(store->count(KindFilter::kIntKey) == keyed.size());
    CHECK(store.verify() == "");
  }
}

TEST_CASE("a segment with room left that went with the end of the file is not appended to") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  std::vector<Address> addresses(1000);
  // Each segment is sealed with room for something smaller, which is remembered.
  for (Address& address : addresses) REQUIRE(store->add(bytes(std::string(1600, 'x')), &address).ok());
  REQUIRE(store->stats().segments > 100);
  for (const Address& address : addresses) REQUIRE(store->remove(address).ok());
  REQUIRE(store.sync().ok());
  // The last segment is still being filled: what comes next goes there, and then to the front.
  addresses.resize(30);
  for (Address& address : addresses) REQUIRE(store->add(bytes(std::string(1600, 'x')), &address).ok());
  for (const Address& address : addresses) {
    EntryInfo info;
    REQUIRE(store->info(address, &info).ok());
    if (info.offset > store->stats().file_size / 2) REQUIRE(store->remove(address).ok());
  }
  REQUIRE(store.sync().ok());
  REQUIRE(store.sync().ok());
  REQUIRE(store->trim(false).ok());
  REQUIRE(store->stats().segments < 10);
  // What is remembered of the segments that are gone is memory that is not there any more: AddressSanitizer would see it.
  for (int i = 0; i < 200; i++) REQUIRE(store->add(bytes(std::string(300, 'y')), &addresses[0]).ok());
  CHECK(store->stats().segments < 20);
}
