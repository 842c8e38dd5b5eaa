// What changes single entries, and batches of them.
#include "native/bench_store.h"

namespace mmcb::bench {
namespace {

constexpr uint64_t kBatch = 100;

template <Durability durability>
void add(benchmark::State& state) {
  BenchStore store(durability);
  Value value;
  std::vector<Address> addresses(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().add(value.of(i), &addresses[i]), "add");
    ++i;
  }
}

template <Durability durability>
void set_new_int(benchmark::State& state) {
  BenchStore store(durability);
  Value value;
  int64_t i = 0;
  for (auto _ : state) {
    must(store.engine().set(IntKey(i), value.of(static_cast<uint64_t>(i)), nullptr), "set");
    ++i;
  }
}

void set_ints_random(benchmark::State& state, BenchStore& store) {
  Value value;
  const std::vector<uint32_t> order = shuffled(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().set(IntKey(order[i]), value.of(order[i]), nullptr), "set");
    ++i;
  }
}

void set_new_int_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  set_ints_random(state, store);
}

void set_new_string(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  Value value;
  const StringKeys names(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().set(names[i], value.of(i), nullptr), "set");
    ++i;
  }
}

void update_sequential(benchmark::State& state) {
  BenchStore store(Durability::kProcess);
  store.load_entries();
  Value value;
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().update(store.addresses()[i], value.of(i)), "update");
    ++i;
  }
}

template <Durability durability>
void update_random(benchmark::State& state) {
  BenchStore store(durability);
  store.load_entries();
  // What is not durable yet would be overwritten.
  if (durability == Durability::kInterval) store.flush();
  Value value;
  const std::vector<uint32_t> order = shuffled(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().update(store.addresses()[order[i]], value.of(order[i])), "update");
    ++i;
  }
  const Stats stats = store.engine().stats();
  const uint64_t expected = durability == Durability::kProcess ? stats.updates_in_place : stats.relocations;
  must(expected == settings().entries, "updates were not of the kind that is measured");
}

void update_int_random(benchmark::State& state) {
  BenchStore store(Durability::kProcess);
  store.load_ints();
  set_ints_random(state, store);
}

void remove_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_entries();
  const std::vector<uint32_t> order = shuffled(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().remove(store.addresses()[order[i]]), "remove");
    ++i;
  }
}

void remove_int_random(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  const std::vector<uint32_t> order = shuffled(settings().entries);
  uint64_t i = 0;
  for (auto _ : state) {
    must(store.engine().erase(IntKey(order[i])), "remove");
    ++i;
  }
}

void batch(benchmark::State& state, const std::vector<uint32_t>& order, BenchStore& store) {
  const std::vector<IntKey> numbers(order.begin(), order.end());
  std::vector<BatchOperation> operations(kBatch);
  Value value;
  uint64_t i = 0;
  for (auto _ : state) {
    for (BatchOperation& operation : operations) {
      operation.type = BatchOperation::Type::kSet;
      operation.key = numbers[i++];
      operation.data = value.of(0);
    }
    must(store.engine().batch(operations), "batch");
  }
}

void batch_new(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  std::vector<uint32_t> order(settings().entries);
  std::iota(order.begin(), order.end(), 0);
  batch(state, order, store);
}

void batch_existing(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  batch(state, shuffled(settings().entries), store);
}

}  // namespace

void add_write_benchmarks() {
  const uint64_t entries = settings().entries;
  add_benchmark("add", entries, 1, add<Durability::kInterval>);
  add_benchmark("add, process", entries, 1, add<Durability::kProcess>);
  add_benchmark("set new int, sequential", entries, 1, set_new_int<Durability::kInterval>);
  add_benchmark("set new int, sequential, process", entries, 1, set_new_int<Durability::kProcess>);
  add_benchmark("set new int, random", entries, 1, set_new_int_random);
  add_benchmark("set new string", entries, 1, set_new_string);
  add_benchmark("update in place, sequential, process", entries, 1, update_sequential);
  add_benchmark("update in place, random, process", entries, 1, update_random<Durability::kProcess>);
  add_benchmark("update in place by int key, random, process", entries, 1, update_int_random);
  add_benchmark("update by relocation, random", entries, 1, update_random<Durability::kInterval>);
  add_benchmark("remove, random", entries, 1, remove_random);
  add_benchmark("remove int, random", entries, 1, remove_int_random);
  add_benchmark("batch of 100 sets, new", entries / kBatch, kBatch, batch_new);
  add_benchmark("batch of 100 sets, existing, random", entries / kBatch, kBatch, batch_existing);
}

}  // namespace mmcb::bench
