#include "native/bench_store.h"

#include <sys/mman.h>

#include <filesystem>

namespace mmcb::bench {

Settings& settings() {
  static Settings instance;
  return instance;
}

void warm_memory(uint64_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "memory to warm up");
  for (uint64_t at = 0; at < bytes; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
  ::munmap(memory, bytes);
}

Options options_with(Durability durability) {
  Options options;
  options.durability = durability;
  return options;
}

std::string bench_file(const char* name) { return (std::filesystem::path(settings().folder) / name).string(); }

void remove_file(const std::string& path) { std::filesystem::remove(path); }

BenchStore::BenchStore(Durability durability) : path_(bench_file("native-bench.mmcb")) {
  remove_file(path_);
  // File and tables, once more for what updates leave behind.
  warm_memory(2 * settings().entries * (kValueSize + 150));
  must(Store::open(path_, options_with(durability), nullptr, &store_), "open");
  reader_ = std::make_unique<test::Reader>(store_->engine());
}

BenchStore::~BenchStore() {
  reader_.reset();
  must(close_store(std::move(store_)), "close");
  remove_file(path_);
}

void BenchStore::load_entries() {
  Value value;
  addresses_.resize(settings().entries);
  for (uint64_t i = 0; i < settings().entries; ++i) must(engine().add(value.of(i), &addresses_[i]), "add");
}

void BenchStore::load_ints() {
  Value value;
  for (uint64_t i = 0; i < settings().entries; ++i) {
    must(engine().set(IntKey(static_cast<int64_t>(i)), value.of(i), nullptr), "set");
  }
}

void BenchStore::load_strings(const StringKeys& names) {
  Value value;
  for (uint64_t i = 0; i < settings().entries; ++i) must(engine().set(names[i], value.of(i), nullptr), "set");
}

void add_benchmark(const std::string& name, uint64_t iterations, uint64_t per, void (*function)(benchmark::State&),
                   bool manual_time) {
  auto* const registered = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    state.counters["per"] = static_cast<double>(per);
    function(state);
  });
  registered->Iterations(static_cast<benchmark::IterationCount>(iterations))->Repetitions(settings().rounds);
  if (manual_time) {
    registered->UseManualTime();
  } else {
    registered->UseRealTime();
  }
}

}  // namespace mmcb::bench
