// mmcb_native_bench: the core alone, with its threads, by Google Benchmark.
//   mmcb_native_bench [--entries=N] [--rounds=N] [--folder=PATH] [Google Benchmark's options]
// `npm run bench:native` runs it and makes tables of what it says.
#include <cstring>

#include "native/bench_store.h"

namespace {

// Takes `--name=VALUE` out of the arguments that Google Benchmark gets to see.
const char* take(int* count, char** arguments, const char* name) {
  const size_t length = std::strlen(name);
  for (int i = 1; i < *count; ++i) {
    if (std::strncmp(arguments[i], name, length) != 0 || arguments[i][length] != '=') continue;
    const char* const value = arguments[i] + length + 1;
    for (int j = i + 1; j < *count; ++j) arguments[j - 1] = arguments[j];
    --*count;
    return value;
  }
  return nullptr;
}

}  // namespace

int main(int count, char** arguments) {
  using namespace mmcb::bench;
  if (const char* entries = take(&count, arguments, "--entries"))
    settings().entries = std::strtoull(entries, nullptr, 10);
  if (const char* rounds = take(&count, arguments, "--rounds")) settings().rounds = std::atoi(rounds);
  if (const char* folder = take(&count, arguments, "--folder")) settings().folder = folder;
  must(settings().entries >= 1000 && settings().rounds >= 1, "--entries is at least 1000, --rounds at least 1");
  add_write_benchmarks();
  add_read_benchmarks();
  add_long_call_benchmarks();
  add_tkrzw_benchmarks();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
