// mmcb_power_cut: proves the promises about crashes, power cuts and damage against a simulated disk.
//
//   mmcb_power_cut random --seeds A..B --images N    N images in all, over all seeds
//   mmcb_power_cut exhaustive --seconds N            every subset of unwritten pages at every step of small workloads
//   mmcb_power_cut bugs --seeds N --max-images M [--only name,name ...]
//                                                    switches on one deliberate bug after the other; each must be found
//   mmcb_power_cut --replay SEED [--images N] [--bug name]
//                                                    one seed again, in this process, for a debugger
// Further: --jobs N (as many as processors), --dump FILE (the image of a failure).
//
// Exit code: 0 all is well; 1 a failure, a step never hit, a bug not found; 2 wrong use.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "harness/crash_run.h"

namespace mmcb::harness {
namespace {

struct Arguments {
  std::string mode;
  uint64_t first_seed = 1;
  uint64_t last_seed = 50;
  uint64_t images = 50'000;
  uint64_t max_images = 20'000;
  double seconds = 10;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  std::string only;
  std::string bug;
  std::string dump;
};

// What a child tells its parent, in shared memory.
struct Result {
  Counters counters;
  bool finished;
  bool failed;
  char text[600];
};

using Work = std::function<void(Result&)>;

[[noreturn]] void usage(const char* problem) {
  std::fprintf(stderr, "mmcb_power_cut: %s\nuse: random|exhaustive|bugs|--replay SEED, see power_cut.cc\n", problem);
  std::exit(2);
}

// Runs the seed, and says in `result` what came of it.
void run_seed(uint64_t seed, const Profile& profile, uint64_t images, const std::string& dump, Result& result) {
  CrashRun run(seed, profile, result.counters);
  try {
    run.run(images);
  } catch (const Failure& failure) {
    result.failed = true;
    const Step last = run.last_step();
    std::snprintf(result.text, sizeof result.text, "seed %llu, step %llu (%s), %s: %s",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(run.steps()),
                  last == Step::kCount ? "none" : name_of(last), failure.image_kind.c_str(), failure.what.c_str());
    if (!dump.empty()) {
      if (std::FILE* file = std::fopen(dump.c_str(), "wb")) {
        std::fwrite(failure.image.data(), 1, failure.image.size(), file);
        std::fclose(file);
      }
    }
  }
  result.finished = true;
}

// Runs each piece of work in a process of its own, so that one that dies takes no other with it.
std::vector<Result> run_all(const std::vector<Work>& works, unsigned jobs) {
  const size_t bytes = sizeof(Result) * works.size();
  void* const shared = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) std::abort();
  auto* const results = static_cast<Result*>(shared);
  std::map<pid_t, size_t> running;
  size_t next = 0;
  while (next < works.size() || !running.empty()) {
    if (next < works.size() && running.size() < jobs) {
      std::fflush(nullptr);
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // no run outlives the one who waits for it
        alarm(600);                        // one that hangs is a failure too
        works[next](results[next]);
        std::fflush(nullptr);
        _exit(0);
      }
      running[child] = next++;
      continue;
    }
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    const auto it = running.find(child);
    if (it == running.end()) continue;
    Result& result = results[it->second];
    if (!result.finished) {
      result.failed = true;
      std::snprintf(result.text, sizeof result.text, "died: %s",
                    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
    }
    running.erase(it);
  }
  std::vector<Result> copy(results, results + works.size());
  munmap(shared, bytes);
  return copy;
}

void print_counters(const Counters& c, double seconds) {
  const auto n = [](uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf("images %llu (%.0f/s): power cuts %llu, kills %llu, torn copies %llu, rot %llu; exhaustive %llu\n",
              n(c.images), static_cast<double>(c.images) / seconds, n(c.power_cuts), n(c.kills), n(c.torn_copies),
              n(c.rot), n(c.exhaustive));
  std::printf("crashes inside recovery (side) %llu, opened twice %llu, gone on %llu, salvaged %llu\n", n(c.second_cuts),
              n(c.reopened), n(c.continued), n(c.salvaged));
  std::printf("torn copies rolled back %llu, accepted as a prefix %llu; rot refused %llu, reported %llu\n",
              n(c.torn_rolled_back), n(c.torn_prefixes), n(c.rot_refused), n(c.rot_reported));
  std::printf(
      "chained crashes %llu, nested in recovery %llu, failed syncs %llu, clean reopenings %llu, calls %llu, full "
      "%llu\n",
      n(c.crashes), n(c.nested_crashes), n(c.failed_syncs), n(c.clean_reopenings), n(c.calls), n(c.full));
  if (c.skipped != 0) std::printf("steps skipped (too many dirty pages) %llu\n", n(c.skipped));
  std::printf("steps:");
  for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
    std::printf(" %s %llu", name_of(static_cast<Step>(i)), n(c.of_step(i)));
  }
  std::printf("\n");
}

// The last line, in the words that the scripts look for.
void print_verdict(uint64_t passed, uint64_t failed) {
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
}

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run_random(const Arguments& arguments) {
  const uint64_t seeds = arguments.last_seed - arguments.first_seed + 1;
  const uint64_t each = (arguments.images + seeds - 1) / seeds;
  std::vector<Work> works;
  for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; seed++) {
    works.push_back([seed, each, &arguments](Result& result) {
      run_seed(seed, profile_of_seed(seed), each, arguments.dump, result);
    });
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Result> results = run_all(works, arguments.jobs);
  Counters total;
  int failures = 0;
  for (size_t i = 0; i < results.size(); i++) {
    total.add(results[i].counters);
    if (!results[i].failed) continue;
    failures++;
    std::printf("FAILED seed %llu after %llu images: %s\n  again: mmcb_power_cut --replay %llu --images %llu\n",
                static_cast<unsigned long long>(arguments.first_seed + i),
                static_cast<unsigned long long>(results[i].counters.images), results[i].text,
                static_cast<unsigned long long>(arguments.first_seed + i), static_cast<unsigned long long>(each));
  }
  print_counters(total, since(start));
  int missed = 0;
  if (total.images >= 20'000) {
    for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
      if (total.of_step(i) != 0) continue;
      std::printf("step %s was never hit\n", name_of(static_cast<Step>(i)));
      missed++;
    }
  }
  std::printf("%llu seeds, %.1f s: %s\n", static_cast<unsigned long long>(seeds), since(start),
              failures != 0 ? "FAILED"
              : missed != 0 ? "STEPS MISSED"
                            : "ok");
  print_verdict(seeds - static_cast<uint64_t>(failures), static_cast<uint64_t>(failures + missed));
  return failures != 0 || missed != 0 ? 1 : 0;
}

int run_exhaustively(const Arguments& arguments) {
  std::vector<Work> works;
  for (unsigned job = 0; job < arguments.jobs; job++) {
    works.push_back([job, &arguments](Result& result) {
      uint64_t seed = 0;
      try {
        run_exhaustive(arguments.first_seed + job * 1'000'000ull, arguments.seconds, result.counters, &seed);
      } catch (const Failure& failure) {
        result.failed = true;
        std::snprintf(result.text, sizeof result.text, "seed %llu, %s: %s", static_cast<unsigned long long>(seed),
                      failure.image_kind.c_str(), failure.what.c_str());
      }
      result.finished = true;
    });
  }
  const auto start = std::chrono::steady_clock::now();
  Counters total;
  bool failed = false;
  for (const Result& result : run_all(works, arguments.jobs)) {
    total.add(result.counters);
    if (!result.failed) continue;
    failed = true;
    std::printf("FAILED: %s\n  again: mmcb_power_cut exhaustive --seeds SEED..SEED --jobs 1\n", result.text);
  }
  print_counters(total, since(start));
  std::printf("exhaustive: %s\n", failed ? "FAILED" : "ok");
  print_verdict(failed ? 0 : 1, failed ? 1 : 0);
  return failed ? 1 : 0;
}

bool is_wanted(const std::string& list, const std::string& name) {
  return list.empty() || ("," + list + ",").find("," + name + ",") != std::string::npos;
}

// Some of the bugs are none where durable versions may be overwritten.
Profile profile_for_bugs(uint64_t seed) {
  Profile profile = profile_of_seed(seed);
  profile.options.durability = Durability::kInterval;
  return profile;
}

int run_bugs(const Arguments& arguments) {
  int missed = 0;
  uint64_t found = 0;
  for (size_t bug = 0; bug < static_cast<size_t>(Bug::kCount); bug++) {
    const std::string name = name_of(static_cast<Bug>(bug));
    if (!is_wanted(arguments.only, name)) continue;
    std::vector<Work> works;
    for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; seed++) {
      works.push_back([seed, bug, &arguments](Result& result) {
        seeded_bugs = 1u << bug;
        run_seed(seed, profile_for_bugs(seed), arguments.max_images, arguments.dump, result);
      });
    }
    const auto start = std::chrono::steady_clock::now();
    std::vector<uint64_t> images;
    std::string example;
    for (const Result& result : run_all(works, arguments.jobs)) {
      if (!result.failed) continue;
      images.push_back(result.counters.images);
      example = result.text;
    }
    std::sort(images.begin(), images.end());
    std::printf("%-28s found by %zu of %zu seeds", name.c_str(), images.size(), works.size());
    // From most seeds: the rarest ones need more images from some than a short run has.
    const bool is_found = 2 * images.size() >= works.size();
    if (is_found) {
      found++;
    } else {
      missed++;
    }
    if (!is_found) std::printf(" NOT FOUND");
    if (!images.empty()) {
      std::printf(", images to detection: median %llu, max %llu; %.1f s; e.g. %s",
                  static_cast<unsigned long long>(images[images.size() / 2]),
                  static_cast<unsigned long long>(images.back()), since(start), example.c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  print_verdict(found, static_cast<uint64_t>(missed));
  return missed != 0 ? 1 : 0;
}

int replay(const Arguments& arguments) {
  for (size_t bug = 0; bug < static_cast<size_t>(Bug::kCount); bug++) {
    if (!arguments.bug.empty() && is_wanted(arguments.bug, name_of(static_cast<Bug>(bug)))) seeded_bugs |= 1u << bug;
  }
  static Result result;
  const auto start = std::chrono::steady_clock::now();
  const uint64_t seed = arguments.first_seed;
  run_seed(seed, seeded_bugs != 0 ? profile_for_bugs(seed) : profile_of_seed(seed), arguments.images, arguments.dump,
           result);
  print_counters(result.counters, since(start));
  std::printf("%s\n", result.failed ? result.text : "ok");
  return result.failed ? 1 : 0;
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  int i = 1;
  if (count > 1 && values[1][0] != '-') arguments.mode = values[i++];
  for (; i < count; i++) {
    const std::string flag = values[i];
    if (i + 1 >= count) usage((flag + " needs a value").c_str());
    const char* const value = values[++i];
    const auto number = [&] { return std::strtoull(value, nullptr, 10); };
    if (flag == "--seeds") {
      const char* const dots = std::strstr(value, "..");
      arguments.first_seed = dots != nullptr ? number() : 1;
      arguments.last_seed = dots != nullptr ? std::strtoull(dots + 2, nullptr, 10) : number();
    } else if (flag == "--images") {
      arguments.images = number();
    } else if (flag == "--max-images") {
      arguments.max_images = number();
    } else if (flag == "--seconds") {
      arguments.seconds = std::strtod(value, nullptr);
    } else if (flag == "--jobs") {
      arguments.jobs = static_cast<unsigned>(std::max(1ull, number()));
    } else if (flag == "--only") {
      arguments.only = value;
    } else if (flag == "--bug") {
      arguments.bug = value;
    } else if (flag == "--dump") {
      arguments.dump = value;
    } else if (flag == "--replay") {
      arguments.mode = "replay";
      arguments.first_seed = number();
    } else {
      usage(("unknown option " + flag).c_str());
    }
  }
  if (arguments.last_seed < arguments.first_seed && arguments.mode != "replay") usage("--seeds A..B with A <= B");
  return arguments;
}

}  // namespace
}  // namespace mmcb::harness

int main(int count, char** values) {
  using namespace mmcb::harness;
  const Arguments arguments = parse(count, values);
  install_hooks();
  if (arguments.mode == "random") return run_random(arguments);
  if (arguments.mode == "exhaustive") return run_exhaustively(arguments);
  if (arguments.mode == "bugs") return run_bugs(arguments);
  if (arguments.mode == "replay") return replay(arguments);
  usage("which mode?");
}
