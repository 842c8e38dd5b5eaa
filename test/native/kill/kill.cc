// mmcb_kill: kills real processes that write to a real file, and checks after each that nothing acknowledged is lost.
//
//   mmcb_kill FILE [--kills N] [--seed N] [--jobs N] [--only NAME] [--bug NAME]
//
// N kills in all, in chains, each with a file of its own (FILE.1, FILE.2 ...). By kind:
//   blind  the child runs a Store with all its threads; it is killed after a random time, often inside opening
//   step   the child runs an Engine and kills itself at a random or chosen step (core/step.h), between two stores
// and of each: both durabilities, one thread that writes or three at once, with compaction under way and without.
// What a child has done stands in memory that it shares with its parent: the number of calls started and of calls returned,
// for each thread. The i-th call is a function of i. After a kill the file must hold the state after all calls that
// returned, and each one in flight wholly or not at all. This proves safety against the death of the process; power cuts
// are mmcb_power_cut's. --only: the chains whose names have this in them. --bug: with a deliberate bug of core/step.h, to
// see it found.
//
// Exit code: 0 all is well; 1 a failure; 2 wrong use.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "harness/forked.h"
#include "harness/world.h"
#include "kill/chain.h"
#include "support/seeded_bugs.h"

namespace mmcb::harness::killing {

void die(const std::string& what) {
  std::fprintf(stderr, "mmcb_kill: %s\n", what.c_str());
  std::_Exit(1);
}

void must(const Status& status, const char* what) {
  if (!status.ok()) die(std::string(what) + ": " + code_name(status.code()) + " " + status.message());
}

namespace {

constexpr Setting kSettings[] = {
    {"blind/interval/1", false, Durability::kInterval, 1}, {"blind/interval/3", false, Durability::kInterval, 3},
    {"blind/process/1", false, Durability::kProcess, 1},   {"blind/process/3", false, Durability::kProcess, 3},
    {"step/interval/1", true, Durability::kInterval, 1},   {"step/interval/3", true, Durability::kInterval, 3},
    {"step/process/1", true, Durability::kProcess, 1},     {"step/process/3", true, Durability::kProcess, 3},
};

// Steps that a killed process cannot be at: they need a power cut, or a disk that fails; or it closes in order, which here only
// those do who are not killed (the power-cut harness simulates kills there).
constexpr Step kOutOfReach[] = {Step::kRecoveryRevived, Step::kRecoveryPagesKept, Step::kFailureMarked,
                                Step::kTablesPart,      Step::kTablesDirectory,   Step::kTablesSaved};
// With fewer kills than this it is chance which steps are met.
constexpr uint64_t kEnoughForEveryStep = 4000;

struct Arguments {
  std::string path;
  uint64_t kills = 2000;
  uint64_t seed = 1;
  unsigned jobs = 2;
  std::string only;
};

struct Result {
  Tally tally;
  double seconds = 0;
  bool ok = false;
};

void run_chain(const Arguments& arguments, size_t index, const Setting& setting, uint64_t kills, Result& result) {
  const auto start = std::chrono::steady_clock::now();
  Chain chain(arguments.path + "." + std::to_string(index + 1), setting, arguments.seed * 1000 + index,
              *shared_memory<Shared>(1), result.tally);
  chain.run(kills);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.ok = true;
}

void print(const char* name, const Tally& t, double seconds) {
  const auto n = [](uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf(
      "%-17s %5llu kills of %llu files, %5.0f/min: %llu inside a call (%llu inside several; %llu set, %llu erase, %llu "
      "batch; %llu found done), %llu while opening, %llu compacting, %llu syncing; %llu then only looked at, %llu "
      "closed "
      "clean; %llu calls acknowledged, file at most %llu KiB, "
      "%llu KiB in use when compacted\n",
      name, n(t.kills), n(t.files), seconds > 0 ? static_cast<double>(t.kills) * 60 / seconds : 0, n(t.in_a_call),
      n(t.in_several), n(t.in[0]), n(t.in[1]), n(t.in[2]), n(t.found_done), n(t.while_opening), n(t.while_compacting),
      n(t.while_syncing), n(t.only_looked_at), n(t.closed_clean), n(t.calls), n(t.largest_file >> 10),
      n(t.largest_rest >> 10));
}

// The steps after which children died; false where one that can be met was not.
bool print_steps(const Tally& total) {
  bool all = true;
  uint64_t by_step = 0;
  std::printf("killed after:");
  for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
    by_step += total.steps[i];
    std::printf(" %s %llu", name_of(static_cast<Step>(i)) + 1, static_cast<unsigned long long>(total.steps[i]));
  }
  std::printf("\n");
  if (by_step < kEnoughForEveryStep / 2) return true;
  for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
    bool reachable = total.steps[i] == 0;
    for (const Step step : kOutOfReach) reachable &= static_cast<Step>(i) != step;
    if (!reachable) continue;
    std::printf("nothing was killed after %s\n", name_of(static_cast<Step>(i)));
    all = false;
  }
  return all;
}

int run(const Arguments& arguments) {
  constexpr size_t kCount = std::size(kSettings);
  std::vector<size_t> chosen;
  for (size_t i = 0; i < kCount; i++) {
    if (std::strstr(kSettings[i].name, arguments.only.c_str()) != nullptr) chosen.push_back(i);
  }
  Result* const results = shared_memory<Result>(kCount);
  const auto start = std::chrono::steady_clock::now();
  const uint64_t each = (arguments.kills + chosen.size() - 1) / std::max<size_t>(chosen.size(), 1);
  run_forked(
      chosen.size(), arguments.jobs,
      [&](size_t i) { run_chain(arguments, chosen[i], kSettings[chosen[i]], each, results[chosen[i]]); },
      [](size_t, int) { return true; });  // what became of it stands in its result
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Tally total;
  uint64_t passed = 0;
  for (const size_t i : chosen) {
    print(kSettings[i].name, results[i].tally, results[i].seconds);
    total.add(results[i].tally);
    passed += results[i].ok;
  }
  print("all", total, seconds);
  const bool steps_met = print_steps(total);
  const uint64_t failed = chosen.size() - passed + !steps_met;
  std::printf("seed %llu, %.1f s\n%llu passed, %llu failed\n", static_cast<unsigned long long>(arguments.seed), seconds,
              static_cast<unsigned long long>(passed), static_cast<unsigned long long>(failed));
  return failed == 0 && passed != 0 ? 0 : 1;
}

}  // namespace
}  // namespace mmcb::harness::killing

int main(int count, char** values) {
  using namespace mmcb::harness::killing;
  Arguments arguments;
  if (count >= 2) arguments.path = values[1];
  for (int i = 2; i < count; i += 2) {
    const std::string flag = values[i];
    const char* const value = i + 1 < count ? values[i + 1] : "";
    if (flag == "--kills") {
      arguments.kills = std::strtoull(value, nullptr, 10);
    } else if (flag == "--seed") {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--jobs") {
      arguments.jobs = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else if (flag == "--only") {
      arguments.only = value;
    } else if (flag != "--bug" || !mmcb::test::seed_bug(value)) {
      count = 0;
    }
  }
  if (count < 2 || arguments.jobs == 0) {
    std::fprintf(stderr, "use: mmcb_kill FILE [--kills N] [--seed N] [--jobs N] [--only NAME] [--bug NAME]\n");
    return 2;
  }
  return run(arguments);
}
