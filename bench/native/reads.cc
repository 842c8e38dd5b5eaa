// What reads. In a loop the processor may begin a read while the one before waits for memory, as far as it looks ahead, which
// calls from JavaScript never let it: these are times of the core, not of a get() there.
#include "native/bench_store.h"

namespace mmcb::bench {
namespace {

// The binding's way of getMany: groups, whose cache misses are overlapped.
constexpr uint64_t kGroup = 64;

template <typename Name>
void read(benchmark::State& state, BenchStore& store, const std::vector<uint32_t>& order, Name&& name) {
  Target target;
  uint64_t i = 0;
  for (auto _ : state) {
    const uint32_t entry = order[i++];
    uint64_t size = 0;
    must(store.engine().read(store.pin(), name(entry), target.room(), &size), "read");
    must(target.is_of(entry, size), "read: another value");
  }
}

std::vector<uint32_t> in_order(uint64_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

void read_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_entries();
  read(state, store, shuffled(settings().entries), [&](uint32_t i) { return store.addresses()[i]; });
}

void get_int_sequential(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  read(state, store, in_order(settings().entries), [](uint32_t i) { return IntKey(i); });
}

void get_int_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  read(state, store, shuffled(settings().entries), [](uint32_t i) { return IntKey(i); });
}

// Which key comes next depends on what was read, so that nothing overlaps: as calls from JavaScript are.
void get_int_chained(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  const std::vector<uint32_t> order = shuffled(settings().entries);
  Target target;
  uint64_t i = 0;
  uint64_t size = kValueSize;
  for (auto _ : state) {
    // Adds nothing, but is not known to before the value is there.
    const uint32_t entry = order[i++ + size - kValueSize];
    must(store.engine().read(store.pin(), IntKey(entry), target.room(), &size), "read");
    benchmark::DoNotOptimize(size);
  }
}

void get_string_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  const StringKeys names(settings().entries);
  store.load_strings(names);
  read(state, store, shuffled(settings().entries), [&](uint32_t i) { return names[i]; });
}

void get_many_ints(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  const std::vector<uint32_t> order = shuffled(settings().entries);
  const std::vector<IntKey> numbers(order.begin(), order.end());
  const std::vector<Key> keys(numbers.begin(), numbers.end());
  Target target;
  uint64_t i = 0;
  for (auto _ : state) {
    const uint64_t end = i + kGroup;
    store.engine().prefetch(store.pin(), {&keys[i], kGroup});
    for (; i < end; ++i) {
      uint64_t size = 0;
      must(store.engine().read(store.pin(), keys[i], target.room(), &size), "read");
      must(target.is_of(order[i], size), "read: another value");
    }
  }
}

void iterate(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  std::vector<std::byte> room(1024);
  uint64_t cursor = 0;
  uint64_t offset = 0;
  Address address;
  EntryHeader header;
  for (auto _ : state) {
    must(store.engine().next(KindFilter::kAll, &cursor, &address, &offset), "iterate: entries are missing");
    must(store.engine().read_entry(store.pin(), address, room, &header), "iterate");
  }
}

}  // namespace

void add_read_benchmarks() {
  const uint64_t entries = settings().entries;
  add_benchmark("read by address, random", entries, 1, read_random);
  add_benchmark("get int, sequential", entries, 1, get_int_sequential);
  add_benchmark("get int, random", entries, 1, get_int_random);
  add_benchmark("get int, random, one after another", entries, 1, get_int_chained);
  add_benchmark("get string, random", entries, 1, get_string_random);
  add_benchmark("get many ints, random, groups of 64", entries / kGroup, kGroup, get_many_ints);
  add_benchmark("iterate with keys and values", entries, 1, iterate);
}

}  // namespace mmcb::bench
