#include "harness/runner.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/forked.h"

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
  auto* const results = shared_memory<Result>(works.size());
  Counters total;
  const auto body = [&](size_t i) {
    alarm(3600);  // one that hangs is a failure too
    works[i](results[i]);
  };
  const size_t begun = run_forked(works.size(), jobs, body, [&](size_t i, int status) {
    Result& result = results[i];
    if (!result.finished) {
      result.failed = true;
      std::snprintf(result.text, sizeof result.text, "died after %llu images: %s", printable(result.counters.images),
                    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
    }
    total.add(result.counters);
    return !enough || !enough(total);
  });
  return {results, results + begun};
}

std::vector<Result> run_seeds(const Arguments& arguments, const std::function<void(uint64_t, Result&)>& run,
                              const Enough& enough) {
  std::vector<Work> works;
  for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; seed++) {
    works.push_back([seed, &run](Result& result) { run(seed, result); });
  }
  return run_all(works, arguments.jobs, enough);
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
      "torn copies rolled back %llu, accepted as a prefix %llu, refused %llu; mixtures of copies refused %llu; rot "
      "refused %llu, "
      "reported %llu\n",
      n(c.torn_rolled_back), n(c.torn_prefixes), n(c.torn_refused), n(c.restored_refused), n(c.rot_refused),
      n(c.rot_reported));
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

uint64_t sum_up(const std::vector<Result>& results, const Arguments& arguments, const Again& again, Counters* total) {
  uint64_t failures = 0;
  for (size_t i = 0; i < results.size(); i++) {
    total->add(results[i].counters);
    if (!results[i].failed) continue;
    failures++;
    std::printf("FAILED (build %s): %s\n  again: mmcb_power_cut %s\n", build_hash().c_str(), results[i].text,
                again(std::to_string(arguments.first_seed + i)).c_str());
  }
  return failures;
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
