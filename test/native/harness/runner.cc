#include "harness/runner.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace mmcb::harness {

bool Arguments::wants(const std::string& name) const {
  return only.empty() || ("," + only + ",").find("," + name + ",") != std::string::npos;
}

std::string build_hash() {
  static const std::string hash = [] {
    uint64_t h = 0xcbf29ce484222325ull;  // FNV-1a, over eight bytes at a time
    if (std::FILE* file = std::fopen("/proc/self/exe", "rb")) {
      uint64_t words[8192];
      while (const size_t count = std::fread(words, sizeof words[0], 8192, file)) {
        for (size_t i = 0; i < count; i++) h = (h ^ words[i]) * 0x100000001b3ull;
      }
      std::fclose(file);
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", printable(h));
    return std::string(text);
  }();
  return hash;
}

void report_failure(const Failure& failure, uint64_t seed, uint64_t steps, Step last, const std::string& dump,
                    Result& result) {
  result.failed = true;
  std::snprintf(result.text, sizeof result.text, "seed %llu, image %llu, step %llu (%s), %s: %s", printable(seed),
                printable(result.counters.images), printable(steps), steps == 0 ? "none" : name_of(last),
                failure.image_kind.c_str(), failure.what.c_str());
  if (dump.empty()) return;
  if (std::FILE* file = std::fopen(dump.c_str(), "wb")) {
    std::fwrite(failure.image.data(), 1, failure.image.size(), file);
    std::fclose(file);
  }
}

void run_seed(uint64_t seed, const Profile& profile, uint64_t images, const std::string& dump, Result& result) {
  CrashRun run(seed, profile, result.counters);
  try {
    run.run(images);
  } catch (const Failure& failure) {
    report_failure(failure, seed, run.steps(), run.last_step(), dump, result);
  }
  result.finished = true;
}

std::vector<Result> run_all(const std::vector<Work>& works, unsigned jobs, const Enough& enough) {
  const size_t bytes = sizeof(Result) * works.size();
  void* const shared = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) std::abort();
  auto* const results = static_cast<Result*>(shared);
  std::map<pid_t, size_t> running;
  size_t next = 0;
  Counters total;
  bool stop = false;
  while ((next < works.size() && !stop) || !running.empty()) {
    if (next < works.size() && !stop && running.size() < jobs) {
      std::fflush(nullptr);
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // no run outlives the one who waits for it
        alarm(3600);                       // one that hangs is a failure too
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
      std::snprintf(result.text, sizeof result.text, "died after %llu images: %s", printable(result.counters.images),
                    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
    }
    total.add(result.counters);
    stop = enough && enough(total);
    running.erase(it);
  }
  std::vector<Result> copy(results, results + next);
  munmap(shared, bytes);
  return copy;
}

// ---- Printing ------------------------------------------------------------------------------------------------------------

void print_counters(const Counters& c, double seconds) {
  const auto n = [](uint64_t count) { return printable(count); };
  std::printf("build %s\n", build_hash().c_str());
  std::printf(
      "images %llu (%.0f/s): power cuts %llu (%llu of them exhaustive), kills %llu, torn copies %llu, restored "
      "copies %llu, rot %llu\n",
      n(c.images), static_cast<double>(c.images) / seconds, n(c.power_cuts), n(c.exhaustive), n(c.kills),
      n(c.torn_copies), n(c.restored_copies), n(c.rot));
  std::printf("crashes inside recovery (side) %llu, opened twice %llu, gone on %llu, verified %llu, salvaged %llu\n",
              n(c.second_cuts), n(c.reopened), n(c.continued), n(c.verified), n(c.salvaged));
  std::printf(
      "torn copies rolled back %llu, accepted as a prefix %llu; mixtures of copies refused %llu; rot refused %llu, "
      "reported %llu\n",
      n(c.torn_rolled_back), n(c.torn_prefixes), n(c.restored_refused), n(c.rot_refused), n(c.rot_reported));
  std::printf(
      "chained crashes %llu, nested in recovery %llu, failed syncs %llu, clean reopenings %llu, calls %llu, sync "
      "phases inside calls %llu, full %llu\n",
      n(c.crashes), n(c.nested_crashes), n(c.failed_syncs), n(c.clean_reopenings), n(c.calls), n(c.syncs_inside_calls),
      n(c.full));
  if (c.skipped != 0) std::printf("steps skipped (too many dirty pages) %llu\n", n(c.skipped));
  std::printf("steps:");
  uint64_t combinations = 0;
  for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
    std::printf(" %s %llu", name_of(static_cast<Step>(i)), n(c.of_step(i)));
    for (const uint64_t count : c.steps[i]) combinations += count != 0;
  }
  std::printf("\ncombinations of step and sync phase hit: %llu\n", n(combinations));
}

namespace {

// What a call that changes entries goes through, and compaction with it.
constexpr Step kCallSteps[] = {
    Step::kSegmentInvalidated, Step::kSegmentFilled,  Step::kSegmentPublished, Step::kSegmentEnded,
    Step::kEntryInvalidated,   Step::kEntryHeader,    Step::kEntryKey,         Step::kEntryDataHalf,
    Step::kEntryData,          Step::kEntryMark,      Step::kDigestNext,       Step::kEntryPublished,
    Step::kEntryEnded,         Step::kDigestDone,     Step::kJournalHalf,      Step::kJournalFilled,
    Step::kJournalSealed,      Step::kJournalArmed,   Step::kJournalApplyHalf, Step::kJournalApplied,
    Step::kJournalCleared,     Step::kCompactionMoved};
constexpr const char* kPhaseNames[] = {"no sync point",   "the data sync to come", "the superblock to be stored",
                                       "the second sync", "completion to come",    "opening"};

}  // namespace

int print_missed_steps(const Counters& c) {
  int missed = 0;
  for (size_t i = 0; i < static_cast<size_t>(Step::kCount); i++) {
    if (c.of_step(i) != 0) continue;
    std::printf("step %s was never hit\n", name_of(static_cast<Step>(i)));
    missed++;
  }
  for (const Step step : kCallSteps) {
    for (size_t phase = 0; phase < kOpeningPhase; phase++) {
      if (c.steps[static_cast<size_t>(step)][phase] != 0) continue;
      std::printf("step %s was never hit with %s\n", name_of(step), kPhaseNames[phase]);
      missed++;
    }
  }
  return missed;
}

int print_verdict(uint64_t passed, uint64_t failed) {
  std::printf("%llu passed, %llu failed\n", printable(passed), printable(failed));
  return failed == 0 ? 0 : 1;
}

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace mmcb::harness
