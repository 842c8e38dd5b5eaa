// The workload of `tkrzw_dbm_perf sequence --random_key`, call for call: one pass that sets, one that gets and one that removes,
// each drawing the same numbers, some of them several times, and printing them to keys of eight digits within the time that is
// measured. That program does not copy what it gets; we do.
#include "native/bench_store.h"

namespace mmcb::bench {
namespace {

// As there: the seed is the number of the thread.
class DrawnKeys {
 public:
  std::string_view next() {
    const int length = std::snprintf(text_, sizeof text_, "%08d", numbers_(random_));
    return {text_, static_cast<size_t>(length)};
  }

 private:
  std::mt19937 random_{0};
  std::uniform_int_distribution<int32_t> numbers_{0, static_cast<int32_t>(settings().entries) - 1};
  char text_[16];
};

Key key_of(std::string_view text) { return {Kind::kStringKey, bytes(text)}; }

void set_all(Engine& engine) {
  DrawnKeys keys;
  const std::string value(kValueSize, '0');
  for (uint64_t i = 0; i < settings().entries; ++i) must(engine.set(key_of(keys.next()), bytes(value), nullptr), "set");
}

void set(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  DrawnKeys keys;
  const std::string value(kValueSize, '0');
  for (auto _ : state) must(store.engine().set(key_of(keys.next()), bytes(value), nullptr), "set");
}

void get(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  set_all(store.engine());
  DrawnKeys keys;
  Target target;
  for (auto _ : state) {
    uint64_t size = 0;
    must(store.engine().read(store.pin(), key_of(keys.next()), target.room(), &size), "get");
    must(size == kValueSize, "get: another value");
  }
}

void remove(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  set_all(store.engine());
  DrawnKeys keys;
  for (auto _ : state) {
    const Status status = store.engine().erase(key_of(keys.next()));
    must(status.ok() || status.code() == Code::kNotFound, "remove");
  }
  must(store.engine().count(KindFilter::kAll) == 0, "remove: something is left");
}

// What the keys alone take.
void draw(benchmark::State& state) {
  DrawnKeys keys;
  for (auto _ : state) benchmark::DoNotOptimize(keys.next().data());
}

}  // namespace

void add_tkrzw_benchmarks() {
  const uint64_t entries = settings().entries;
  add_benchmark("as Tkrzw: set", entries, 1, set);
  add_benchmark("as Tkrzw: get", entries, 1, get);
  add_benchmark("as Tkrzw: remove", entries, 1, remove);
  add_benchmark("as Tkrzw: keys alone", entries, 1, draw);
}

}  // namespace mmcb::bench
