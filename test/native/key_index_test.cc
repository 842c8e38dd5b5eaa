#include "core/key_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/platform/posix_platform.h"

using mmcb::KeyIndex;
using mmcb::PinScope;
using mmcb::posix_platform;
using mmcb::ReaderPin;
using mmcb::ReaderPins;

namespace {

// An index with what it needs.
struct Fixture {
  ReaderPins pins;
  ReaderPin* reader = pins.add_reader();
  KeyIndex index;

  explicit Fixture(bool exact, uint64_t seed = 0) : index(posix_platform(), pins, exact) {
    REQUIRE(index.initialize(seed).ok());
  }
  uint64_t find(uint64_t key) {
    const PinScope scope(*reader);
    return index.find(key, [](uint64_t) { return true; });
  }
  std::multiset<uint64_t> find_all(uint64_t key) {
    const PinScope scope(*reader);
    std::multiset<uint64_t> offsets;
    const auto collect = [&](uint64_t offset) {
      offsets.insert(offset);
      return false;
    };
    REQUIRE(index.find(key, collect) == 0);
    return offsets;
  }
};

// Integer keys as programs choose them: each family stresses the spreading differently.
std::vector<int64_t> key_family(int family, size_t count) {
  std::vector<int64_t> keys;
  std::mt19937_64 random(7);
  for (size_t i = 0; i < count; ++i) {
    const auto n = static_cast<int64_t>(i);
    switch (family) {
      case 0: keys.push_back(n); break;
      case 1: keys.push_back(-n * 4); break;
      case 2: keys.push_back(n * 4096); break;
      case 3: keys.push_back((n % 1000) << 32 | n / 1000); break;
      // 4 x the 49th Fibonacci number: golden-ratio hashing alone puts all of these next to each other.
      case 4: keys.push_back(n * 4 * 7'778'742'049 % 9'007'199'254'740'991); break;
      case 5: keys.push_back(1'700'000'000'000 + n * 1000); break;
      default: keys.push_back(static_cast<int64_t>(random() >> 11)); break;
    }
  }
  return keys;
}

}  // namespace

TEST_CASE("no safe integer has the key word of an empty cell") {
  for (const int64_t key :
       {INT64_C(0), INT64_C(1), INT64_C(-1), INT64_C(9007199254740991), INT64_C(-9007199254740991)}) {
    CHECK(KeyIndex::word_of_int(key) != 0);
    CHECK(KeyIndex::int_of_word(KeyIndex::word_of_int(key)) == key);
  }
}

TEST_CASE("an empty index finds nothing") {
  Fixture f(true);
  CHECK(f.index.size() == 0);
  CHECK(f.find(KeyIndex::word_of_int(0)) == 0);
  CHECK_FALSE(f.index.erase(KeyIndex::word_of_int(0), 8));
  CHECK_FALSE(f.index.move(KeyIndex::word_of_int(0), 8, 16));
  CHECK(f.index.memory() > 0);
}

TEST_CASE("every family of integer keys is found, moved and erased") {
  for (int family = 0; family < 7; ++family) {
    CAPTURE(family);
    Fixture f(true, 0x5eed);
    const std::vector<int64_t> keys = key_family(family, 20'000);
    for (size_t i = 0; i < keys.size(); ++i) {
      REQUIRE(f.index.insert(KeyIndex::word_of_int(keys[i]), 8 * (i + 1)).ok());
    }
    REQUIRE(f.index.size() == keys.size());
    // At most 16 bytes a key at 3/8 load, and the outgrown tables that wait for the next growth.
    CHECK(f.index.memory() < keys.size() * 16 * 8 / 3 * 2 + (64 << 10));
    for (size_t i = 0; i < keys.size(); ++i) REQUIRE(f.find(KeyIndex::word_of_int(keys[i])) == 8 * (i + 1));
    for (size_t i = 0; i < keys.size(); i += 2) {
      REQUIRE(f.index.move(KeyIndex::word_of_int(keys[i]), 8 * (i + 1), 8 * (i + 1) + (1 << 30)));
      REQUIRE_FALSE(f.index.erase(KeyIndex::word_of_int(keys[i]), 8 * (i + 1)));
    }
    for (size_t i = 1; i < keys.size(); i += 2) REQUIRE(f.index.erase(KeyIndex::word_of_int(keys[i]), 8 * (i + 1)));
    for (size_t i = 0; i < keys.size(); ++i) {
      REQUIRE(f.find(KeyIndex::word_of_int(keys[i])) == (i % 2 == 0 ? 8 * (i + 1) + (1 << 30) : 0));
    }
    REQUIRE(f.index.size() == keys.size() / 2);
  }
}

// Keys made to collide under Fibonacci hashing: multiples of the inverse of its multiplier. Without the stronger hash
// this takes minutes.
TEST_CASE("keys chosen to collide make a shard scatter them") {
  constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15ull;
  uint64_t inverse = 1;
  for (int i = 0; i < 6; ++i) inverse *= 2 - kMultiplier * inverse;  // Newton's method, modulo 2^64
  REQUIRE(inverse * kMultiplier == 1);
  std::vector<uint64_t> words;
  for (uint64_t spread = uint64_t{5} << 56; words.size() < 200'000; ++spread) {
    const uint64_t quarter = spread * inverse;
    if (quarter >> 62 == 0 && quarter != 0) words.push_back(quarter * 4);
  }
  Fixture f(true, 0x5eed);
  for (size_t i = 0; i < words.size(); ++i) REQUIRE(f.index.insert(words[i], 8 * (i + 1)).ok());
  for (size_t i = 0; i < words.size(); ++i) REQUIRE(f.find(words[i]) == 8 * (i + 1));
  for (size_t i = 0; i < words.size(); i += 2) REQUIRE(f.index.erase(words[i], 8 * (i + 1)));
  for (size_t i = 1; i < words.size(); i += 2) REQUIRE(f.index.move(words[i], 8 * (i + 1), 8));
  for (size_t i = 0; i < words.size(); ++i) REQUIRE(f.find(words[i]) == (i % 2 == 0 ? 0 : 8));
}

TEST_CASE("an exact index behaves like a map") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Fixture f(true, seed);
  std::unordered_map<uint64_t, uint64_t> model;
  uint64_t range = 100;
  for (int round = 0; round < 200'000; ++round) {
    if (round % 20'000 == 0) range = 100 + random() % 60'000;
    const uint64_t key = KeyIndex::word_of_int(static_cast<int64_t>(random() % range) - 50);
    const uint64_t offset = 8 * (random() % 1'000'000 + 1);
    const auto known = model.find(key);
    switch (random() % 4) {
      case 0:
      case 1:
        if (known == model.end()) {
          REQUIRE(f.index.insert(key, offset).ok());
          model[key] = offset;
        } else {
          REQUIRE(f.index.move(key, known->second, offset));
          known->second = offset;
        }
        break;
      case 2:
        if (known == model.end()) {
          REQUIRE_FALSE(f.index.erase(key, offset));
        } else {
          REQUIRE_FALSE(f.index.erase(key, known->second + 8));
          REQUIRE(f.index.erase(key, known->second));
          model.erase(known);
        }
        break;
      default: REQUIRE(f.find(key) == (known == model.end() ? 0 : known->second));
    }
    REQUIRE(f.index.size() == model.size());
  }
  for (const auto& [key, offset] : model) REQUIRE(f.find(key) == offset);
  size_t seen = 0;
  f.index.for_each([&](uint64_t key, uint64_t offset) {
    ++seen;
    REQUIRE(model.at(key) == offset);
  });
  CHECK(seen == model.size());
}

TEST_CASE("a hash index keeps equal hashes apart") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Fixture f(false);
  std::map<uint64_t, std::set<uint64_t>> model;
  size_t count = 0;
  // Few words, of which many stand next to each other, also around the end of a table.
  std::vector<uint64_t> words;
  for (uint64_t i = 0; i < 300; ++i) {
    words.push_back(i % 3 == 0 ? random() | 1 : i % 3 == 1 ? ~uint64_t{0} - (i << 20) : (i / 30) << 56 | (i << 50) | 1);
  }
  for (int round = 0; round < 100'000; ++round) {
    const uint64_t word = words[random() % words.size()];
    auto& offsets = model[word];
    const uint64_t choice = random() % 8;
    if (choice < 3 && offsets.size() < 12) {
      const uint64_t offset = 8 * (random() % 1'000'000 + 1);
      if (!offsets.insert(offset).second) continue;
      REQUIRE(f.index.insert(word, offset).ok());
      ++count;
    } else if (choice < 5 && !offsets.empty()) {
      const uint64_t offset = *offsets.begin();
      REQUIRE(f.index.erase(word, offset));
      REQUIRE_FALSE(f.index.erase(word, offset));
      offsets.erase(offset);
      --count;
    } else if (choice == 5 && !offsets.empty()) {
      const uint64_t from = *offsets.rbegin();
      const uint64_t to = from + 8'000'008;
      REQUIRE(f.index.move(word, from, to));
      offsets.erase(from);
      offsets.insert(to);
    } else {
      const auto found = f.find_all(word);
      REQUIRE(std::equal(found.begin(), found.end(), offsets.begin(), offsets.end()));
      if (!offsets.empty()) {
        const PinScope scope(*f.reader);
        const uint64_t wanted = *offsets.rbegin();
        REQUIRE(f.index.find(word, [&](uint64_t offset) { return offset == wanted; }) == wanted);
      }
    }
    REQUIRE(f.index.size() == count);
  }
}

TEST_CASE("reserve leaves nothing to grow") {
  Fixture f(true);
  constexpr uint64_t kCount = 300'000;
  KeyIndex::Demand demand;
  for (uint64_t i = 0; i < kCount; ++i) f.index.count_in(&demand, KeyIndex::word_of_int(static_cast<int64_t>(i)));
  REQUIRE(f.index.reserve(demand).ok());
  f.index.reclaim();
  const uint64_t memory = f.index.memory();
  for (uint64_t i = 0; i < kCount; ++i) {
    REQUIRE(f.index.insert(KeyIndex::word_of_int(static_cast<int64_t>(i)), 8 * (i + 1)).ok());
  }
  CHECK(f.index.memory() == memory);
  REQUIRE(f.index.reserve(KeyIndex::Demand()).ok());
  CHECK(f.index.memory() == memory);
  CHECK(f.find(KeyIndex::word_of_int(kCount - 1)) == 8 * kCount);
}

TEST_CASE("outgrown tables wait for their readers") {
  Fixture f(true);
  f.reader->pin();
  for (int64_t i = 0; i < 50'000; ++i) REQUIRE(f.index.insert(KeyIndex::word_of_int(i), 8).ok());
  f.index.reclaim();
  const uint64_t pinned = f.index.memory();
  f.reader->unpin();
  f.index.reclaim();
  CHECK(f.index.memory() < pinned);
}

TEST_CASE("hashes of keys depend on every byte, the length and the seed, and stay as they are") {
  std::string bytes(200, 'a');
  std::set<uint64_t> seen;
  for (size_t length = 0; length <= bytes.size(); ++length) {
    REQUIRE(seen.insert(KeyIndex::word_of_bytes(bytes.data(), length, 1)).second);
    for (size_t i = 0; i < length; ++i) {
      bytes[i] = 'b';
      REQUIRE(seen.insert(KeyIndex::word_of_bytes(bytes.data(), length, 1)).second);
      bytes[i] = 'a';
    }
    REQUIRE(seen.insert(KeyIndex::word_of_bytes(bytes.data(), length, 2)).second);
  }
  CHECK(seen.count(0) == 0);
  // Saved indexes hold hashes: these values are part of the file format.
  const std::string text = "The quick brown fox jumps over the lazy dog";
  CHECK(KeyIndex::word_of_bytes(text.data(), 0, 0) == 0x8450c0b1142051ecull);
  CHECK(KeyIndex::word_of_bytes(text.data(), 3, 1) == 0x03fdd9bd65876b46ull);
  CHECK(KeyIndex::word_of_bytes(text.data(), 9, 2) == 0xb2ce69cdee53e274ull);
  CHECK(KeyIndex::word_of_bytes(text.data(), 16, 3) == 0x13eaf84f8882ee96ull);
  CHECK(KeyIndex::word_of_bytes(text.data(), text.size(), 4) == 0x105563250bde2f9full);
}

TEST_CASE("the hash spreads: any 16 of its bits are taken evenly, for keys that differ little") {
  for (unsigned shift = 0; shift <= 48; shift += 8) {
    std::vector<unsigned> buckets(1 << 16);
    constexpr unsigned kKeys = 1 << 20;
    for (unsigned i = 0; i < kKeys; ++i) {
      const std::string key = "user:" + std::to_string(i);
      ++buckets[KeyIndex::word_of_bytes(key.data(), key.size(), 0) >> shift & 0xffff];
    }
    // Poisson with mean 16: the chance of one of 65,536 buckets beyond 48 is below 10^-5.
    CHECK(*std::max_element(buckets.begin(), buckets.end()) < 48);
  }
}

// Offsets tell their key, so that a reader notices an answer for another key; keys that are never erased must always be
// found, however much moves around them.
TEST_CASE("readers find beside a writer that inserts, moves, erases and grows") {
  for (const bool exact : {true, false}) {
    CAPTURE(exact);
    constexpr uint64_t kSteady = 2000;
    constexpr uint64_t kRange = 20'000;
    constexpr int kRounds = 150'000;
    ReaderPins pins;
    KeyIndex index(posix_platform(), pins, exact);
    REQUIRE(index.initialize(99).ok());
    const auto word = [&](uint64_t key) {
      return exact ? KeyIndex::word_of_int(static_cast<int64_t>(key)) : KeyIndex::word_of_bytes(&key, sizeof key, 5);
    };
    const auto offset_of = [](uint64_t key, uint64_t version) { return (key + 1) << 20 | version << 3; };
    const auto key_of = [](uint64_t offset) { return (offset >> 20) - 1; };
    for (uint64_t key = 0; key < kSteady; ++key) REQUIRE(index.insert(word(key), offset_of(key, 0)).ok());

    std::atomic<bool> stop{false};
    std::atomic<uint64_t> lost{0};
    std::atomic<uint64_t> wrong{0};
    std::vector<std::thread> readers;
    for (uint64_t id = 0; id < 2; ++id) {
      readers.emplace_back([&, id] {
        ReaderPin* const pin = pins.add_reader();
        std::mt19937_64 random(id);
        while (!stop.load(std::memory_order_relaxed)) {
          const uint64_t key = random() % 2 == 0 ? random() % kSteady : random() % kRange;
          const PinScope scope(*pin);
          index.prefetch(word(key));
          const uint64_t offset = index.find(word(key), [&](uint64_t o) { return key_of(o) == key; });
          if (offset == 0 && key < kSteady) lost.fetch_add(1);
          if (offset != 0 && key_of(offset) != key) wrong.fetch_add(1);
        }
        pins.remove_reader(pin);
      });
    }
    std::mt19937_64 random(42);
    std::unordered_map<uint64_t, uint64_t> model;
    for (uint64_t key = 0; key < kSteady; ++key) model[key] = offset_of(key, 0);
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t key = random() % kRange;
      const uint64_t next = offset_of(key, static_cast<uint64_t>(round) % 1000);
      const auto known = model.find(key);
      if (known == model.end()) {
        REQUIRE(index.insert(word(key), next).ok());
        model[key] = next;
      } else if (key < kSteady || round % 4 == 0) {
        REQUIRE(index.move(word(key), known->second, next));
        known->second = next;
      } else {
        REQUIRE(index.erase(word(key), known->second));
        model.erase(known);
      }
    }
    stop.store(true);
    for (auto& reader : readers) reader.join();
    CHECK(lost.load() == 0);
    CHECK(wrong.load() == 0);
    CHECK(index.size() == model.size());
  }
}

// Equal hashes in one run of cells, most of which an erase moves, and readers that dawdle between two cells: without the
// sequence numbers they pass an offset by that moves to a cell behind them.
TEST_CASE("readers are not misled by cells that move under them") {
  constexpr uint64_t kWord = uint64_t{1} << 50;
  constexpr uint64_t kOffsets = 24;
  constexpr uint64_t kVolatile = 12;  // the offsets after it are always there
  ReaderPins pins;
  KeyIndex index(posix_platform(), pins, false);
  REQUIRE(index.initialize().ok());
  for (uint64_t i = 0; i < kOffsets; ++i) REQUIRE(index.insert(kWord, 8 * (i + 1)).ok());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> looks{0};
  std::atomic<uint64_t> lost{0};
  const auto dawdle = [](uint64_t steps) {
    for (std::atomic<uint64_t> i{0}; i.load() < steps;) i.fetch_add(1);
  };
  std::vector<std::thread> readers;
  for (uint64_t id = 0; id < 2; ++id) {
    readers.emplace_back([&, id] {
      ReaderPin* const pin = pins.add_reader();
      std::mt19937_64 random(id);
      while (!stop.load(std::memory_order_relaxed)) {
        const uint64_t wanted = 8 * (kVolatile + 1 + random() % (kOffsets - kVolatile));
        const PinScope scope(*pin);
        const uint64_t found = index.find(kWord, [&](uint64_t offset) {
          dawdle(10);
          return offset == wanted;
        });
        if (found != wanted) lost.fetch_add(1);
        looks.fetch_add(1, std::memory_order_relaxed);
      }
      pins.remove_reader(pin);
    });
  }
  std::mt19937_64 random(1);
  std::vector<bool> present(kVolatile, true);
  for (int round = 0; round < 50'000 || looks.load(std::memory_order_relaxed) < 10'000; ++round) {
    const uint64_t i = random() % kVolatile;
    if (present[i]) {
      REQUIRE(index.erase(kWord, 8 * (i + 1)));
    } else {
      REQUIRE(index.insert(kWord, 8 * (i + 1)).ok());
    }
    present[i] = !present[i];
    dawdle(random() % 1000);  // a reader needs a quiet moment to get through
  }
  stop.store(true);
  for (auto& reader : readers) reader.join();
  CHECK(lost.load() == 0);
}

TEST_CASE(
    "a search that finds nothing says where the key goes, also where the shard has to grow or many keys collide") {
  for (const bool exact : {true, false}) {
    for (int family = 0; family < 7; ++family) {
      Fixture f(exact, 99);
      const auto keys = key_family(family, 20'000);
      std::map<uint64_t, uint64_t> model;
      uint64_t offset = 8;
      for (const int64_t key : keys) {
        const uint64_t word = exact ? KeyIndex::word_of_int(key) : KeyIndex::word_of_bytes(&key, sizeof key, 99);
        KeyIndex::Vacancy vacancy;
        const uint64_t found = f.index.find(
            word, [](uint64_t) { return true; }, &vacancy);
        const auto known = model.find(word);
        REQUIRE(found == (known == model.end() ? 0 : known->second));
        if (found != 0) continue;
        REQUIRE(f.index.insert(word, offset, vacancy).ok());
        model.emplace(word, offset);
        offset += 8;
      }
      REQUIRE(f.index.size() == model.size());
      for (const auto& [word, at] : model) REQUIRE(f.find(word) == at);
    }
  }
}
