// String keys in order: the index beside everything that an engine does.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/ordered_index.h"
#include "support/engine_fixture.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

using Model = std::map<std::string, std::string>;

Options ordered_options() {
  Options options = small_options();
  options.ordered = true;
  return options;
}

Model read_in_order(Engine& engine, const Engine::OrderedSnapshot* snapshot, bool is_reverse = false) {
  const Reader reader(engine);
  Model found;
  std::string last;
  std::string buffer(100'000, ' ');
  OrderedIndex::Start start;
  start.is_reverse = is_reverse;
  uint64_t offsets[16];
  for (size_t count = 16; count == 16;) {
    const PinScope pinned(reader);
    count = engine.collect(snapshot, start, offsets);
    for (size_t i = 0; i < count; i++) {
      EntryHeader header;
      REQUIRE(engine.read_collected(offsets[i], {reinterpret_cast<std::byte*>(buffer.data()), buffer.size()}, &header)
                  .ok());
      const std::string key = buffer.substr(0, header.key_size);
      if (start.has_key) REQUIRE((is_reverse ? key < last : last < key));
      found[key] = buffer.substr(header.key_size, header.data_size);
      last = key;
      start = {true, bytes(last), false, is_reverse};
    }
  }
  return found;
}

void check(EngineUnderTest& store, const Model& model) {
  REQUIRE(read_in_order(*store, nullptr) == model);
  REQUIRE(read_in_order(*store, nullptr, true) == model);
  REQUIRE(store->count(KindFilter::kStringKey) == model.size());
}

}  // namespace

TEST_CASE("order is built on demand, once, and kept up from then on") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), small_options());
  Model model;
  for (int i = 0; i < 500; i++) {
    const std::string key = "key " + std::to_string(i * 7919 % 1000);
    model[key] = std::to_string(i);
    REQUIRE(store->set(string_key(key), bytes(model[key]), nullptr).ok());
    REQUIRE(store->set(IntKey(i), bytes("int"), nullptr).ok());
  }
  CHECK_FALSE(store->has_ordered_keys());
  const uint64_t memory = store->stats().table_memory;
  REQUIRE(store->order_keys().ok());
  REQUIRE(store->order_keys().ok());
  CHECK(store->has_ordered_keys());
  CHECK(store->stats().table_memory > memory);
  check(store, model);
  REQUIRE(store->set(string_key(""), bytes("empty"), nullptr).ok());
  model[""] = "empty";
  REQUIRE(store->erase(string_key("key 0")).ok());
  model.erase("key 0");
  check(store, model);
  CHECK(store.verify() == "");
}

TEST_CASE("random changes of every kind keep the order, and snapshots what they had") {
  const uint64_t seed = seed_from_environment();
  CAPTURE(seed);
  for (const Durability durability : {Durability::kInterval, Durability::kProcess}) {
    TemporaryFolder folder;
    Options options = ordered_options();
    options.durability = durability;
    EngineUnderTest store(folder.path("a.mmcb"), options);
    std::mt19937_64 random(seed);
    Model model;
    struct Open {
      Engine::OrderedSnapshot snapshot;
      Model model;
    };
    std::vector<Open> open;
    const auto close = [&](size_t index) {
      REQUIRE(read_in_order(*store, &open[index].snapshot) == open[index].model);
      store->close_ordered_snapshot(open[index].snapshot);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(index));
    };
    for (int round = 0; round < 4'000; round++) {
      const std::string key = "key " + std::to_string(random() % 400);
      const std::string data = random_text(random() % 50 == 0 ? random() % 20'000 : random() % 60, random());
      switch (random() % 20) {
        case 0: {
          if (open.size() == 4) break;
          open.emplace_back();
          REQUIRE(store->open_ordered_snapshot(&open.back().snapshot).ok());
          open.back().model = model;
          break;
        }
        case 1:
          if (!open.empty()) close(random() % open.size());
          break;
        case 2: REQUIRE(store.sync().ok()); break;
        case 3:
          if (random() % 4 == 0) REQUIRE(store.compact().ok());
          break;
        case 4: {
          std::vector<std::string> keys;
          for (int i = 0; i < 30; i++) keys.push_back("key " + std::to_string(random() % 400));
          std::vector<BatchOperation> operations;
          for (size_t i = 0; i < keys.size(); i++) {
            const bool sets = i % 3 != 0;
            operations.push_back({sets ? BatchOperation::Type::kSet : BatchOperation::Type::kDiscard,
                                  {},
                                  string_key(keys[i]),
                                  sets ? bytes(data) : Bytes()});
            if (sets) {
              model[keys[i]] = data;
            } else {
              model.erase(keys[i]);
            }
          }
          REQUIRE(store->batch(operations).ok());
          break;
        }
        case 5: {
          if (random() % 20 != 0) break;
          uint64_t removed = 0;
          const bool is_reverse = random() % 2 == 0;
          const uint64_t limit = 1 + random() % 300;
          const OrderedIndex::Start start{true, bytes(key), random() % 2 == 0, is_reverse};
          REQUIRE(store->clear_range(start, nullptr, limit, &removed).ok());
          for (uint64_t i = 0; i < removed; i++) {
            auto gone = start.is_inclusive ? model.lower_bound(key) : model.upper_bound(key);
            if (is_reverse) gone = std::prev(start.is_inclusive ? model.upper_bound(key) : model.lower_bound(key));
            model.erase(gone);
          }
          break;
        }
        case 6: {
          if (random() % 50 != 0) break;
          uint64_t removed = 0;
          REQUIRE(store->clear(random() % 2 == 0 ? KindFilter::kAll : KindFilter::kStringKey, &removed).ok());
          model.clear();
          break;
        }
        case 7:
        case 8:
        case 9: REQUIRE(store->erase(string_key(key)).ok() == (model.erase(key) != 0)); break;
        default: model[key] = data; REQUIRE(store->set(string_key(key), bytes(data), nullptr).ok());
      }
      if (round % 500 == 0) check(store, model);
    }
    check(store, model);
    REQUIRE(store.verify() == "");
    while (!open.empty()) close(0);
    CHECK_FALSE(store->has_snapshots());
    if (durability == Durability::kInterval) store.crash();
    store.reopen();
    check(store, model);
    REQUIRE(store.verify() == "");
  }
}

TEST_CASE("a range is removed up to its end, in either direction, all or nothing") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), ordered_options());
  const auto fill = [&] {
    for (int i = 0; i < 10; i++) REQUIRE(store->set(string_key(std::to_string(i)), bytes("x"), nullptr).ok());
  };
  const auto keys = [&] {
    std::string all;
    for (const auto& [key, data] : read_in_order(*store, nullptr)) all += key;
    return all;
  };
  const auto clear = [&](const char* from, bool from_inclusive, const char* to, bool to_inclusive, bool is_reverse,
                         uint64_t limit) {
    fill();
    const OrderedIndex::Start start{from != nullptr, bytes(from == nullptr ? "" : from), from_inclusive, is_reverse};
    const OrderedIndex::End end{bytes(to == nullptr ? "" : to), to_inclusive};
    uint64_t removed = 0;
    REQUIRE(store->clear_range(start, to == nullptr ? nullptr : &end, limit, &removed).ok());
    const std::string left = keys();
    REQUIRE(removed == 10 - left.size());
    return left;
  };
  CHECK(clear("2", true, "5", false, false, 100) == "0156789");
  CHECK(clear("2", false, "5", true, false, 100) == "0126789");
  CHECK(clear("5", true, "2", false, true, 100) == "0126789");
  CHECK(clear("5", false, "2", true, true, 2) == "01256789");
  CHECK(clear(nullptr, true, "2", true, false, 100) == "3456789");
  CHECK(clear(nullptr, true, nullptr, true, true, 3) == "0123456");
  CHECK(clear("7", true, nullptr, true, false, 0) == "0123456789");
  CHECK(clear("5", true, "2", true, false, 100) == "0123456789");
  CHECK(clear(nullptr, true, nullptr, true, false, ~uint64_t{0}) == "");
  CHECK(store.verify() == "");
}

TEST_CASE("order is read while several threads change what it leads to") {
  TemporaryFolder folder;
  EngineUnderTest store(folder.path("a.mmcb"), ordered_options());
  constexpr int kKeys = 600;
  const auto key = [](int number) { return "key " + std::to_string(1'000 + number); };
  for (int i = 0; i < kKeys; i += 2) REQUIRE(store->set(string_key(key(i)), bytes(key(i)), nullptr).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  const auto read = [&](bool with_snapshots) {
    const Reader reader(*store);
    std::string buffer(4'096, ' ');
    while (!stop.load()) {
      Engine::OrderedSnapshot snapshot;
      if (with_snapshots && !store->open_ordered_snapshot(&snapshot).ok()) wrong++;
      std::string last;
      int even = 0;
      OrderedIndex::Start start;
      uint64_t offsets[16];
      for (size_t count = 16; count == 16;) {
        const PinScope pinned(reader);
        count = store->collect(with_snapshots ? &snapshot : nullptr, start, offsets);
        for (size_t i = 0; i < count; i++) {
          EntryHeader header;
          const MutableBytes target(reinterpret_cast<std::byte*>(buffer.data()), buffer.size());
          if (!store->read_collected(offsets[i], target, &header).ok()) wrong++;
          const std::string found = buffer.substr(0, header.key_size);
          // The data begins with the key.
          if (found <= last || buffer.compare(header.key_size, found.size(), found) != 0) wrong++;
          even += (found.back() - '0') % 2 == 0;
          last = found;
        }
        start = {true, bytes(last), false, false};
      }
      if (even != kKeys / 2) wrong++;
      if (with_snapshots) store->close_ordered_snapshot(snapshot);
    }
  };
  std::thread present([&] { read(false); });
  std::thread past([&] { read(true); });
  std::thread syncing([&] {
    while (!stop.load()) {
      if (!store.sync().ok() || !store.compact().ok()) wrong++;
    }
  });
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; round++) {
    const int number = static_cast<int>(random() % kKeys);
    const std::string name = key(number);
    if (number % 2 == 1 && random() % 2 == 0) {
      (void)store->erase(string_key(name));
    } else {
      const std::string data = name + std::string(random() % 40, 'x');
      if (!store->set(string_key(name), bytes(data), nullptr).ok()) wrong++;
    }
  }
  stop.store(true);
  present.join();
  past.join();
  syncing.join();
  CHECK(wrong == 0);
  CHECK(store.verify() == "");
}
