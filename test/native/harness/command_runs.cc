// The commands random, exhaustive and --replay.
#include <cstdio>

#include "harness/runner.h"

namespace mmcb::harness {

int run_random(const Arguments& arguments) {
  const uint64_t each = (arguments.images + arguments.seeds() - 1) / arguments.seeds();
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Result> results = run_seeds(arguments, [&](uint64_t seed, Result& result) {
    run_seed(seed, profile_of_seed(seed), each, arguments.dump, result);
  });
  const auto again = [&](const std::string& seed) { return "--replay " + seed + " --images " + std::to_string(each); };
  Counters total;
  const uint64_t failures = sum_up(results, arguments, again, &total);
  uint64_t generations = 0;
  for (const Result& result : results)
    generations = std::max(generations, result.counters.crashes + result.counters.nested_crashes);
  print_counters(total, since(start));
  std::printf("most generations of one file: %llu\n", printable(generations));
  // A run as long as CI's reaches everything.
  const int missed = total.images >= 100'000 ? print_missed_steps(total) : 0;
  std::printf("%llu seeds, %.1f s: %s\n", printable(arguments.seeds()), since(start),
              failures != 0 ? "FAILED"
              : missed != 0 ? "STEPS MISSED"
                            : "ok");
  return print_verdict(arguments.seeds() - failures, failures + static_cast<uint64_t>(missed));
}

int run_exhaustively(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const auto run = [&](uint64_t seed, Result& result) {
    Step last = Step::kCount;
    try {
      run_exhaustive(seed, result.counters, &last);
    } catch (const Failure& failure) {
      uint64_t steps = 0;
      for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) steps += result.counters.of_step(i);
      report_failure(failure, seed, steps, last, arguments.dump, result);
    }
    result.finished = true;
  };
  const auto enough = [&](const Counters& so_far) { return so_far.exhaustive >= arguments.images; };
  const std::vector<Result> results = run_seeds(arguments, run, enough);
  const auto again = [](const std::string& seed) { return "exhaustive --seeds " + seed + ".." + seed; };
  Counters total;
  const uint64_t failures = sum_up(results, arguments, again, &total);
  print_counters(total, since(start));
  std::printf("exhaustive: %zu seeds, %.1f s: %s\n", results.size(), since(start), failures != 0 ? "FAILED" : "ok");
  return print_verdict(results.size() - failures, failures);
}

int replay(const Arguments& arguments) {
  static Result result;
  const auto start = std::chrono::steady_clock::now();
  const uint64_t seed = arguments.first_seed;
  Profile profile = profile_of_seed(seed);
  if (!arguments.bug.empty()) profile = switch_bug_on(arguments.bug, seed);
  run_seed(seed, profile, arguments.images, arguments.dump, result);
  print_counters(result.counters, since(start));
  std::printf("%s\n", result.failed ? result.text : "ok");
  return result.failed ? 1 : 0;
}

}  // namespace mmcb::harness
