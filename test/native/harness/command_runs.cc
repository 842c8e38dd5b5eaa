// The commands random, exhaustive and --replay.
#include <cstdio>

#include "harness/runner.h"

namespace mmcb::harness {

int run_random(const Arguments& arguments) {
  const uint64_t each = (arguments.images + arguments.seeds() - 1) / arguments.seeds();
  std::vector<Work> works;
  for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; seed++) {
    works.push_back([seed, each, &arguments](Result& result) {
      run_seed(seed, profile_of_seed(seed), each, arguments.dump, result);
    });
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Result> results = run_all(works, arguments.jobs);
  Counters total;
  uint64_t failures = 0;
  uint64_t generations = 0;
  for (size_t i = 0; i < results.size(); i++) {
    total.add(results[i].counters);
    generations = std::max(generations, results[i].counters.crashes + results[i].counters.nested_crashes);
    if (!results[i].failed) continue;
    failures++;
    std::printf("FAILED (build %s): %s\n  again: mmcb_power_cut --replay %llu --images %llu\n", build_hash().c_str(),
                results[i].text, printable(arguments.first_seed + i), printable(each));
  }
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
  std::vector<Work> works;
  for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; seed++) {
    works.push_back([seed, &arguments](Result& result) {
      Step last = Step::kCount;
      try {
        run_exhaustive(seed, result.counters, &last);
      } catch (const Failure& failure) {
        uint64_t steps = 0;
        for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) steps += result.counters.of_step(i);
        report_failure(failure, seed, steps, last, arguments.dump, result);
      }
      result.finished = true;
    });
  }
  const auto start = std::chrono::steady_clock::now();
  Counters total;
  uint64_t failures = 0;
  const std::vector<Result> results =
      run_all(works, arguments.jobs, [&](const Counters& so_far) { return so_far.exhaustive >= arguments.images; });
  for (size_t i = 0; i < results.size(); i++) {
    total.add(results[i].counters);
    if (!results[i].failed) continue;
    failures++;
    std::printf("FAILED (build %s): %s\n  again: mmcb_power_cut exhaustive --seeds %llu..%llu\n", build_hash().c_str(),
                results[i].text, printable(arguments.first_seed + i), printable(arguments.first_seed + i));
  }
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
