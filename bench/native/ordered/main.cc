// mmcb_ordered_bench: the structure of OrderedIndex beside others that could have its place, over the same keys in memory.
//   mmcb_ordered_bench [keys] [rounds]
// Rounds are interleaved, and what is printed is the median of each: nanoseconds of processor time for each key, and bytes.
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>

#include "core/ordered_index.h"
#include "native/ordered/radix_tree.h"
#include "native/ordered/skip_list.h"
#include "native/support.h"

namespace mmcb::bench {
namespace {

constexpr size_t kScan = 100;

// Keys as they lie in entries: behind a header, with a value behind them. An "offset" is where one begins.
class Keys final : public KeySource {
 public:
  Keys(uint64_t count, bool random_bytes) : bytes_(count * kStride + kStride) {
    std::mt19937_64 random(kSeed);
    const StringKeys digits(count);
    for (uint64_t i = 0; i < count; i++) {
      std::byte* const at = bytes_.data() + offset_of(i) + kHeader;
      const Key key = digits[i];
      std::memcpy(at, key.bytes.data(), kLength);
      const uint64_t words[] = {random(), random()};
      if (random_bytes) std::memcpy(at, words, kLength);
    }
  }
  static uint64_t offset_of(uint64_t number) { return (number + 1) * kStride; }
  KeyBytes key_at(uint64_t offset) const override { return {bytes_.data() + offset + kHeader, kLength}; }

 private:
  static constexpr size_t kHeader = 32;
  static constexpr size_t kLength = 16;
  static constexpr size_t kStride = 184;  // with a value of 100 bytes and its slack
  std::vector<std::byte> bytes_;
};

struct Tree {
  explicit Tree(const Keys& keys) : index(posix_platform(), keys) { must(index.initialize(), "initialize"); }
  void insert(KeyBytes key, uint64_t offset) {
    must(index.reserve(1, 0), "reserve");
    index.insert(key, offset);
  }
  size_t collect(KeyBytes from, std::span<uint64_t> offsets) {
    return index.collect(nullptr, {true, from, true, false}, offsets);
  }
  uint64_t memory() const { return index.memory(); }
  OrderedIndex index;
};

struct Figures {
  std::vector<double> samples[5];  // insert, seek, scan: ns; memory: bytes; load: ns
};
const char* const kNames[] = {"insert", "seek", "scan 100", "bytes a key", "load"};

// Of this thread: what others do meanwhile is not counted, though what they do to the caches is.
double processor_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename Body>
double ns_each(uint64_t count, Body&& body) {
  const double started = processor_ns();
  body();
  return (processor_ns() - started) / static_cast<double>(count);
}

template <typename Structure>
void measure(const Keys& keys, const std::vector<uint32_t>& order, Figures* figures) {
  Structure structure(keys);
  figures->samples[0].push_back(ns_each(order.size(), [&] {
    for (const uint32_t i : order) structure.insert(keys.key_at(Keys::offset_of(i)), Keys::offset_of(i));
  }));
  const std::vector<uint32_t> wanted = shuffled(order.size(), kSeed + 1);
  uint64_t found = 0;
  figures->samples[1].push_back(ns_each(order.size(), [&] {
    for (const uint32_t i : wanted) {
      must(structure.collect(keys.key_at(Keys::offset_of(i)), {&found, 1}) == 1 && found == Keys::offset_of(i), "seek");
    }
  }));
  uint64_t offsets[kScan];
  uint64_t taken = 0;
  const uint64_t scans = order.size() / 10;
  const double each = ns_each(1, [&] {
    for (uint64_t i = 0; i < scans; i++) taken += structure.collect(keys.key_at(Keys::offset_of(wanted[i])), offsets);
  });
  figures->samples[2].push_back(each / static_cast<double>(taken));
  figures->samples[3].push_back(static_cast<double>(structure.memory()) / static_cast<double>(order.size()));
}

void measure_loading(const Keys& keys, uint64_t count, Figures* figures) {
  std::vector<uint64_t> offsets;
  for (const uint32_t i : shuffled(count)) offsets.push_back(Keys::offset_of(i));
  OrderedIndex index(posix_platform(), keys);
  must(index.initialize(), "initialize");
  figures->samples[4].push_back(ns_each(count, [&] { must(index.build(std::move(offsets)), "build"); }));
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(uint64_t count, int rounds, bool random_bytes, bool in_order) {
  const Keys keys(count, random_bytes);
  std::vector<uint32_t> order = shuffled(count);
  if (in_order) std::iota(order.begin(), order.end(), 0);
  Figures tree, radix, skip;
  for (int round = 0; round < rounds; round++) {
    measure<Tree>(keys, order, &tree);
    measure<RadixTree>(keys, order, &radix);
    measure<SkipList>(keys, order, &skip);
    measure_loading(keys, count, &tree);
  }
  std::printf("\n%llu keys of %s, inserted %s\n", static_cast<unsigned long long>(count),
              random_bytes ? "16 random bytes" : "16 characters, 'key:' and 12 digits",
              in_order ? "in order" : "at random");
  std::printf("%-12s %12s %12s %12s\n", "", "B+tree", "radix tree", "skip list");
  for (int i = 0; i < 5; i++) {
    std::printf("%-12s %12.1f %12.1f %12.1f\n", kNames[i], median(tree.samples[i]), median(radix.samples[i]),
                median(skip.samples[i]));
  }
}

}  // namespace
}  // namespace mmcb::bench

int main(int count, char** arguments) {
  const uint64_t keys = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1'000'000;
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 3;
  mmcb::bench::must(keys >= 1000 && rounds >= 1, "at least 1000 keys, and one round");
  mmcb::bench::run(keys, rounds, false, true);
  mmcb::bench::run(keys, rounds, false, false);
  mmcb::bench::run(keys, rounds, true, false);
  return 0;
}
