#include "core/ordered_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/platform/posix_platform.h"
#include "support/engine_fixture.h"
#include "support/failing_memory.h"
#include "support/failing_platform.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// Keys in memory instead of entries: "offset" n is the n-th key.
class Keys final : public KeySource {
 public:
  KeyBytes key_at(uint64_t offset) const override {
    const std::string& key = keys_.at(offset);
    return {reinterpret_cast<const std::byte*>(key.data()), key.size()};
  }
  uint64_t add(const std::string& key) {
    keys_.push_back(key);
    return keys_.size() - 1;
  }
  const std::string& text(uint64_t offset) const { return keys_.at(offset); }
  std::string& text(uint64_t offset) { return keys_.at(offset); }

 private:
  std::vector<std::string> keys_ = std::vector<std::string>(1);  // 0 is no offset
};

KeyBytes key_bytes(const std::string& text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

using Model = std::map<std::string, uint64_t>;

// An index and a plain map that must always say the same.
struct Fixture {
  Keys keys;
  OrderedIndex index;
  Model model;

  explicit Fixture(Platform& platform = posix_platform()) : index(platform, keys) { REQUIRE(index.initialize().ok()); }

  void insert(const std::string& key) {
    if (model.contains(key)) return;
    REQUIRE(index.reserve(1, 0).ok());
    const uint64_t offset = keys.add(key);
    index.insert(key_bytes(key), offset);
    model[key] = offset;
  }
  void move(const std::string& key) {
    REQUIRE(index.reserve(0, 1).ok());
    const uint64_t offset = keys.add(key);
    REQUIRE(index.move(key_bytes(key), model.at(key), offset));
    model[key] = offset;
  }
  void erase(const std::string& key) {
    REQUIRE(index.reserve(0, 1).ok());
    REQUIRE(index.erase(key_bytes(key), model.at(key)));
    model.erase(key);
  }

  // All offsets, in pages.
  std::vector<uint64_t> walk(const OrderedIndex::Snapshot* snapshot, bool is_reverse, size_t page = 7) const {
    std::vector<uint64_t> all;
    std::vector<uint64_t> offsets(page);
    OrderedIndex::Start start;
    start.is_reverse = is_reverse;
    for (;;) {
      const size_t found = index.collect(snapshot, start, offsets);
      all.insert(all.end(), offsets.begin(), offsets.begin() + static_cast<std::ptrdiff_t>(found));
      if (found < page) return all;
      start = {true, keys.key_at(offsets[found - 1]), false, is_reverse};
    }
  }

  void check(const OrderedIndex::Snapshot* snapshot, const Model& wanted) const {
    std::vector<uint64_t> in_order;
    for (const auto& [key, offset] : wanted) in_order.push_back(offset);
    REQUIRE(walk(snapshot, false) == in_order);
    std::reverse(in_order.begin(), in_order.end());
    REQUIRE(walk(snapshot, true, 64) == in_order);
  }

  void check() const {
    REQUIRE(index.size() == model.size());
    REQUIRE(index.is_sound());
    check(nullptr, model);
  }

  // Seeks to a key that may be there or not, from every side.
  void check_seek(const std::string& key) const {
    for (const bool is_reverse : {false, true}) {
      for (const bool is_inclusive : {false, true}) {
        uint64_t found = 0;
        const size_t count = index.collect(nullptr, {true, key_bytes(key), is_inclusive, is_reverse}, {&found, 1});
        auto wanted = model.end();
        if (!is_reverse) {
          wanted = is_inclusive ? model.lower_bound(key) : model.upper_bound(key);
        } else if (const auto behind = is_inclusive ? model.upper_bound(key) : model.lower_bound(key);
                   behind != model.begin()) {
          wanted = std::prev(behind);
        }
        REQUIRE(count == (wanted == model.end() ? 0 : 1));
        if (count == 1) REQUIRE(found == wanted->second);
      }
    }
  }
};

// Keys as programs choose them; each family stresses prefixes and words in its own way.
std::string key_of(int family, uint64_t number, std::mt19937_64& random) {
  const std::string digits = std::to_string(number);
  const std::string padded = std::string(12 - digits.size(), '0') + digits;
  switch (family) {
    case 0: return padded;
    case 1: return "user:profile:" + padded;
    // Prefixes longer than a node has room for.
    case 2: return std::string(60 + number % 3 * 40, 'p') + padded;
    // Of any bytes and lengths, zeros among them; many are prefixes of others.
    case 3: {
      std::string key(random() % 12, '\0');
      for (char& c : key)
        c = "\0\1\xff"
            "a"[random() % 4];
      return key;
    }
    // Words that are equal although keys are not.
    case 4: return std::string(number % 50, '\0');
    case 5: return "k" + std::string(8 * (number % 5), 'x') + digits;
    default: return random_text(1 + number % 30, number);
  }
}
constexpr int kFamilies = 7;

}  // namespace

TEST_CASE("an empty ordered index finds nothing") {
  Fixture f;
  f.check();
  f.check_seek("");
  f.check_seek("a");
  CHECK_FALSE(f.index.erase(key_bytes("a"), 1));
  CHECK_FALSE(f.index.move(key_bytes("a"), 1, 2));
  f.index.clear();
  REQUIRE(f.index.build({}).ok());
  CHECK(f.index.memory() == 0);
  const OrderedIndex::Start start;
  uint64_t none = 0;
  CHECK(f.index.collect(nullptr, start, {&none, 0}) == 0);
}

TEST_CASE("an ordered index behaves like a map, whatever the keys") {
  const uint64_t seed = seed_from_environment() + std::random_device{}();
  CAPTURE(seed);
  for (int family = 0; family < kFamilies; family++) {
    CAPTURE(family);
    std::mt19937_64 random(seed + static_cast<uint64_t>(family));
    Fixture f;
    uint64_t range = 100;
    for (int round = 0; round < 12'000; round++) {
      if (round % 3'000 == 0) {
        range = 10 + random() % 6'000;
        f.check();
      }
      // Growing and shrinking in turn.
      const bool grows = round / 3'000 % 2 == 0;
      const std::string key = key_of(family, random() % range, random);
      const auto known = f.model.lower_bound(key);
      switch (random() % 8) {
        case 0: f.check_seek(key); break;
        case 1:
          if (known != f.model.end()) f.move(known->first);
          break;
        case 2:
        case 3:
          if (known != f.model.end()) f.erase(std::string(known->first));
          break;
        default:
          if (grows) {
            f.insert(key);
          } else if (known != f.model.end()) {
            f.erase(std::string(known->first));
          }
      }
    }
    f.check();
    while (!f.model.empty())
      f.erase(std::string(std::next(f.model.begin(), static_cast<std::ptrdiff_t>(random() % f.model.size()))->first));
    f.check();
    CHECK(f.index.memory() == 0);
  }
}

TEST_CASE("keys that come in order fill their nodes, from either end and from the middle") {
  for (const int way : {0, 1, 2}) {
    CAPTURE(way);
    Fixture f;
    std::mt19937_64 random(1);
    constexpr uint64_t kCount = 20'000;
    for (uint64_t i = 0; i < kCount; i++) {
      const uint64_t number = way == 0 ? i : way == 1 ? kCount - i : (i % 2 == 0 ? i : 2 * kCount - i);
      f.insert(key_of(1, number, random));
    }
    f.check();
    // 16 bytes a key, and nodes at least half full.
    CHECK(f.index.memory() < kCount * 16 * (way == 0 ? 6 : 12) / 5);
  }
}

TEST_CASE("what is loaded at once is as if it had been inserted, and goes on as such") {
  for (int family = 0; family < kFamilies; family++) {
    for (const uint64_t count : {1u, 2u, 52u, 53u, 54u, 2'000u, 30'000u}) {
      CAPTURE(family);
      CAPTURE(count);
      std::mt19937_64 random(count);
      Fixture f;
      std::vector<uint64_t> offsets;
      for (uint64_t i = 0; i < count; i++) {
        const std::string key = key_of(family, random() % (4 * count), random);
        if (f.model.contains(key)) continue;
        offsets.push_back(f.keys.add(key));
        f.model[key] = offsets.back();
      }
      REQUIRE(f.index.build(offsets).ok());
      f.check();
      for (uint64_t i = 0; i < std::min<uint64_t>(count, 1'000); i++) {
        f.insert(key_of(family, random() % (4 * count), random));
        f.erase(std::string(f.model.lower_bound(f.model.rbegin()->first)->first));
      }
      f.check();
    }
  }
}

TEST_CASE("memory for a batch is had before it begins, and what is loaded keeps to it") {
  for (const uint64_t loaded : {0u, 1u, 1'000u, 40'000u}) {
    for (const int family : {0, 6}) {
      CAPTURE(loaded);
      Fixture f;
      std::mt19937_64 random(loaded + 1);
      for (uint64_t i = 0; i < loaded; i++) f.insert(key_of(family, random() % 1'000'000'000'000, random));
      OrderedIndex::Snapshot snapshot;
      const Model before = f.model;
      const bool has_snapshot = loaded == 1'000;
      if (has_snapshot) {
        REQUIRE(f.index.reserve_snapshot().ok());
        snapshot = f.index.open_snapshot();
      }
      // Into the same place, into all places, and in order: take_node() asserts that there is one.
      std::vector<std::string> fresh;
      for (uint64_t i = 0; i < 30'000; i++) {
        fresh.push_back(i % 3 == 0   ? key_of(0, i, random) + "x"
                        : i % 3 == 1 ? "5" + key_of(0, i, random)
                                     : random_text(12, i));
      }
      std::sort(fresh.begin(), fresh.end());
      fresh.erase(std::unique(fresh.begin(), fresh.end()), fresh.end());
      if (family == 6) std::shuffle(fresh.begin(), fresh.end(), random);
      std::erase_if(fresh, [&](const std::string& key) { return f.model.contains(key); });
      REQUIRE(f.index.reserve(fresh.size(), before.size()).ok());
      for (const std::string& key : fresh) {
        const uint64_t offset = f.keys.add(key);
        f.index.insert(key_bytes(key), offset);
        f.model[key] = offset;
      }
      for (const auto& [key, offset] : before) {
        REQUIRE(f.index.erase(key_bytes(key), offset));
        f.model.erase(key);
      }
      f.check();
      if (!has_snapshot) continue;
      f.check(&snapshot, before);
      f.index.close_snapshot(snapshot);
      f.check();
    }
  }
}

// Right after loading there is next to no node to spare.
TEST_CASE("memory for copies beside a snapshot of an ordered index is had before the changes") {
  for (const uint64_t changes : {1u, 10u, 3'000u}) {
    Fixture f;
    std::mt19937_64 random(changes);
    std::vector<uint64_t> offsets;
    for (uint64_t i = 0; i < 40'000; i++) {
      const std::string key = key_of(1, i, random);
      offsets.push_back(f.keys.add(key));
      f.model[key] = offsets.back();
    }
    REQUIRE(f.index.build(offsets).ok());
    const Model before = f.model;
    REQUIRE(f.index.reserve_snapshot().ok());
    const OrderedIndex::Snapshot snapshot = f.index.open_snapshot();
    REQUIRE(f.index.reserve(0, changes).ok());
    for (uint64_t i = 0; i < changes; i++) {
      const std::string key = key_of(1, i * 7'919 % 40'000, random);
      REQUIRE(f.index.erase(key_bytes(key), f.model.at(key)));
      f.model.erase(key);
    }
    f.check();
    f.check(&snapshot, before);
    f.index.close_snapshot(snapshot);
  }
}

TEST_CASE("snapshots of an ordered index keep what they had, and give their nodes back") {
  const uint64_t seed = seed_from_environment() + std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Fixture f;
  struct Open {
    OrderedIndex::Snapshot snapshot;
    Model model;
  };
  std::vector<Open> open;
  for (int round = 0; round < 20'000; round++) {
    const uint64_t choice = random() % 100;
    const int family = static_cast<int>(random() % 3);
    const std::string key = key_of(family, random() % 2'000, random);
    const auto known = f.model.lower_bound(key);
    if (choice == 0 && open.size() < 6) {
      REQUIRE(f.index.reserve_snapshot().ok());
      open.push_back({f.index.open_snapshot(), f.model});
    } else if (choice == 1 && !open.empty()) {
      const size_t closed = random() % open.size();
      f.check(&open[closed].snapshot, open[closed].model);
      f.index.close_snapshot(open[closed].snapshot);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(closed));
    } else if (choice == 2 && random() % 40 == 0) {
      f.index.clear();
      f.model.clear();
    } else if (choice < 50) {
      f.insert(key);
    } else if (known != f.model.end()) {
      if (choice < 75) {
        f.move(known->first);
      } else {
        f.erase(std::string(known->first));
      }
    }
  }
  f.check();
  for (const Open& one : open) f.check(&one.snapshot, one.model);
  for (const Open& one : open) f.index.close_snapshot(one.snapshot);
  f.check();
  f.index.clear();
  CHECK(f.index.memory() == 0);
}

TEST_CASE("where a key is damaged underneath, what leads to it is still found and removed, and nothing else is lost") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; round++) {
    Fixture f;
    for (uint64_t i = 0; i < 3'000; i++) f.insert(key_of(round % 3, i, random));
    std::vector<uint64_t> left = f.walk(nullptr, false);
    for (int i = 0; i < 30; i++) f.keys.text(left[random() % left.size()]) = random_text(random() % 200, random());
    std::shuffle(left.begin(), left.end(), random);
    while (!left.empty()) {
      const std::string key = f.keys.text(left.back());
      REQUIRE(f.index.reserve(1, 1).ok());
      REQUIRE(f.index.erase(key_bytes(key), left.back()));
      left.pop_back();
      if (left.size() % 100 != 0) continue;
      const uint64_t offset = f.keys.add(key);
      f.index.insert(key_bytes(key), offset);
      REQUIRE(f.index.move(key_bytes(key), offset, f.keys.add(key)));
      REQUIRE(f.index.erase(key_bytes(key), offset + 1));
    }
    CHECK(f.index.memory() == 0);
  }
}

TEST_CASE("faults: an ordered index that cannot have memory is as it was") {
  FailingPlatform platform;
  uint64_t failed = 0;
  {
    Fixture f(platform);
    std::mt19937_64 random(5);
    for (uint64_t i = 0; i < 30'000; i++) {
      const std::string key = key_of(1, random() % 1'000'000, random);
      if (f.model.contains(key)) continue;
      if (i % 7 == 0) platform.fail(SystemCall::kCommit);
      const Status status = f.index.reserve(1, 0);
      if (!status.ok()) {
        CHECK(status.code() == Code::kNoMemory);
        failed++;
        continue;
      }
      (void)platform.withdraw();
      const uint64_t offset = f.keys.add(key);
      f.index.insert(key_bytes(key), offset);
      f.model[key] = offset;
    }
    f.check();
    MemoryFaults::arm(1, true);
    {
      const MemoryFaults::Scope scope;
      CHECK(f.index.reserve_snapshot().code() == Code::kNoMemory);
    }
    MemoryFaults::disarm();
    f.check();
  }
  CHECK(failed > 0);
  CHECK(platform.faults().reservations() == 0);
}

// Keys whose number is even stay; readers that walk beside a writer see each of them once, and everything in order.
TEST_CASE("an ordered index is read while it is changed") {
  Fixture f;
  std::mt19937_64 random(9);
  constexpr uint64_t kCount = 4'000;
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < kCount; i++) texts.push_back(key_of(1, i, random));
  std::vector<uint64_t> offsets;
  for (const std::string& text : texts) offsets.push_back(f.keys.add(text));
  for (uint64_t i = 0; i < kCount; i += 2) {
    REQUIRE(f.index.reserve(1, 0).ok());
    f.index.insert(key_bytes(texts[i]), offsets[i]);
  }
  REQUIRE(f.index.reserve_snapshot().ok());
  const OrderedIndex::Snapshot snapshot = f.index.open_snapshot();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  const auto read = [&](const OrderedIndex::Snapshot* from) {
    while (!stop.load()) {
      const std::vector<uint64_t> all = f.walk(from, false, 64);
      const auto stays = std::count_if(all.begin(), all.end(), [](uint64_t offset) { return offset % 2 == 1; });
      if (!std::is_sorted(all.begin(), all.end()) || stays != kCount / 2) wrong++;
      if (from != nullptr && all.size() != kCount / 2) wrong++;
    }
  };
  std::thread present([&] { read(nullptr); });
  std::thread past([&] { read(&snapshot); });
  for (int round = 0; round < 40; round++) {
    for (uint64_t i = 1; i < kCount; i += 2) {
      REQUIRE(f.index.reserve(1, 1).ok());
      if (round % 2 == 0) {
        f.index.insert(key_bytes(texts[i]), offsets[i]);
      } else {
        REQUIRE(f.index.erase(key_bytes(texts[i]), offsets[i]));
      }
    }
  }
  stop.store(true);
  present.join();
  past.join();
  CHECK(wrong == 0);
  f.index.close_snapshot(snapshot);
  CHECK(f.index.is_sound());
}
