// Compaction and opening, per entry.
#include <chrono>

#include "native/bench_store.h"

namespace mmcb::bench {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// Every second entry is garbage. What is synced and given back to the file system is part of the time.
void compact(benchmark::State& state) {
  BenchStore store(Durability::kInterval);
  store.load_ints();
  for (uint64_t i = 0; i < settings().entries; i += 2) {
    must(store.engine().erase(IntKey(static_cast<int64_t>(i))), "remove");
  }
  store.flush();
  for (auto _ : state) {
    CompactionReport report;
    const Stopwatch watch;
    must(store.store().compact(nullptr, &report), "compact");
    state.SetIterationTime(watch.seconds());
    must(report.moved_entries >= settings().entries / 4, "compact: little was moved");
    state.counters["per"] = static_cast<double>(report.moved_entries);
  }
}

// A file with an entry under each key, closed in order or left as a kill leaves it.
class FileToOpen {
 public:
  explicit FileToOpen(bool clean) {
    remove_file(path_);
    warm_memory(2 * settings().entries * (kValueSize + 150));
    open();
    Value value;
    for (uint64_t i = 0; i < settings().entries; ++i) {
      must(engine_->set(IntKey(static_cast<int64_t>(i)), value.of(i), nullptr), "set");
    }
    must(SyncMachine(*engine_).run(clean), "sync");
    engine_.reset();
  }
  ~FileToOpen() {
    engine_.reset();
    remove_file(path_);
  }
  void open() {
    must(Engine::open(posix_platform(), path_, options_with(Durability::kInterval), nullptr, &engine_), "open");
  }
  RecoveryReport report() const { return engine_->recovery(); }

 private:
  const std::string path_ = bench_file("native-bench-open.mmcb");
  std::unique_ptr<Engine> engine_;
};

template <bool clean>
void open(benchmark::State& state) {
  FileToOpen file(clean);
  for (auto _ : state) {
    const Stopwatch watch;
    file.open();
    state.SetIterationTime(watch.seconds());
    must(file.report().entries == settings().entries, "open: entries are missing");
    must((file.report().status == RecoveryStatus::kClean) == clean, "open: not the ending that is measured");
  }
}

}  // namespace

void add_long_call_benchmarks() {
  const uint64_t entries = settings().entries;
  add_benchmark("compact, half of it garbage, per entry moved", 1, entries, compact, true);
  add_benchmark("open after a close, per entry", 1, entries, open<true>, true);
  add_benchmark("open after a kill, per entry", 1, entries, open<false>, true);
}

}  // namespace mmcb::bench
