// BenchStore: a store on the disk, with its threads as in a program, that goes away with its file; and how many entries and
// where, as the command line says.
#pragma once

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/store.h"
#include "native/support.h"
#include "support/reader.h"

namespace mmcb::bench {

struct Settings {
  uint64_t entries = 1'000'000;
  int rounds = 3;
  std::string folder = ".";
};
Settings& settings();

// Makes the system have this much memory at hand: a virtual machine may have given free memory back to its host, and the first
// touch of such a page would be measured instead of the engine.
void warm_memory(uint64_t bytes);

Options options_with(Durability durability);
std::string bench_file(const char* name);
void remove_file(const std::string& path);

class BenchStore {
 public:
  explicit BenchStore(Durability durability);
  ~BenchStore();

  Engine& engine() { return store_->engine(); }
  Store& store() { return *store_; }
  ReaderPin& pin() { return *reader_; }

  void load_entries();
  void load_ints();
  void load_strings(const StringKeys& names);
  // Everything so far is durable: in `interval` mode it is not overwritten any more.
  void flush() { must(store_->flush(), "flush"); }

  const std::vector<Address>& addresses() const { return addresses_; }

 private:
  const std::string path_;
  std::shared_ptr<Store> store_;
  std::unique_ptr<test::Reader> reader_;
  std::vector<Address> addresses_;
};

// A benchmark of `iterations` that each stand for `per` operations. `function` sets up, runs the loop once, and tears down.
void add_benchmark(const std::string& name, uint64_t iterations, uint64_t per, void (*function)(benchmark::State&),
                   bool manual_time = false);

// What the files beside this one hold.
void add_write_benchmarks();
void add_read_benchmarks();
void add_long_call_benchmarks();
void add_tkrzw_benchmarks();

}  // namespace mmcb::bench
