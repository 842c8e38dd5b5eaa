// What the commands of mmcb_power_cut share: arguments, running many seeds in processes of their own, counts, and the words
// in which a failure is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/crash_run.h"

namespace mmcb::harness {

struct Arguments {
  std::string mode;
  uint64_t first_seed = 1;
  uint64_t last_seed = 50;
  uint64_t images = 50'000;
  uint64_t max_images = 0;  // 0: what the command thinks right
  unsigned jobs = 1;
  std::string only;
  std::string bug;
  std::string dump;

  uint64_t seeds() const { return last_seed - first_seed + 1; }
  // True for the names listed in --only, and for all where there is no list.
  bool wants(const std::string& name) const;
};

// What a child tells its parent, in shared memory.
struct Result {
  Counters counters;
  uint64_t swaps;  // made by a mutation
  bool finished;
  bool failed;
  char text[600];
};

using Work = std::function<void(Result&)>;

// Runs each piece of work in a process of its own, so that one that dies takes no other with it. `enough` is asked with
// the results so far before another one is started; null: all of them are run.
using Enough = std::function<bool(const Counters& total)>;
std::vector<Result> run_all(const std::vector<Work>& works, unsigned jobs, const Enough& enough = nullptr);
// The same for each seed that the arguments name.
std::vector<Result> run_seeds(const Arguments& arguments, const std::function<void(uint64_t seed, Result&)>& run,
                              const Enough& enough = nullptr);

// Runs the seed, and says in `result` what came of it.
void run_seed(uint64_t seed, const Profile& profile, uint64_t images, const std::string& dump, Result& result);

// Writes "seed .., step .., kind: what" into the result, and the image into the file, if any is wanted.
void report_failure(const Failure& failure, uint64_t seed, uint64_t steps, Step last, const std::string& dump,
                    Result& result);

// A number that is the same for the same executable only: it belongs to every seed that is told.
std::string build_hash();

// Adds up the results of seeds, and prints each failure, with the arguments that `again` has to see it again. Returns the
// number of failures.
using Again = std::function<std::string(const std::string& seed)>;
uint64_t sum_up(const std::vector<Result>& results, const Arguments& arguments, const Again& again, Counters* total);

void print_counters(const Counters& c, double seconds);
// Steps that were never hit, and phases of a sync point in which no call was ever stopped. Prints and counts them.
int print_missed_steps(const Counters& c);
// The last line, in the words that the scripts look for.
int print_verdict(uint64_t passed, uint64_t failed);

double since(std::chrono::steady_clock::time_point start);

inline unsigned long long printable(uint64_t number) { return number; }

// Switches that deliberate bug on, and returns the workload in which it matters. Ends the process where there is none.
Profile switch_bug_on(const std::string& name, uint64_t seed);

// The workload that mutations are looked for in.
Profile profile_for_mutations(uint64_t seed);

// The commands; each returns the exit code.
int run_random(const Arguments& arguments);
int run_exhaustively(const Arguments& arguments);
int run_bugs(const Arguments& arguments);
int run_mutations(const Arguments& arguments);
int run_backups(const Arguments& arguments);
int replay(const Arguments& arguments);

}  // namespace mmcb::harness
