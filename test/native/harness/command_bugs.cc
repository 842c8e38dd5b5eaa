// The command bugs: switches on one deliberate bug of the engine (MMCB_BUG) after the other. Each has to be found from every
// seed, within a number of images that is a small multiple of what it takes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "harness/runner.h"
#include "support/seeded_bugs.h"

namespace mmcb::harness {
namespace {

// What runs are like that look for one bug: workloads in which it matters, and the images that show it.
struct Plan {
  uint64_t cap = 10'000;
  void (*bias)(Profile&) = nullptr;
};

void in_process_mode(Profile& p) { p.options.durability = Durability::kProcess; }

void with_little_space(Profile& p) {
  p.options.initial_size = 3 * kMinSegmentSize;
  p.compactions = 250;
  p.clears = 15;
}

void with_short_lives(Profile& p) {
  p.longest_life = 600;
  p.image_gap = 60;
}

void with_damage(Profile& p) {
  p.rot = 70;
  p.salvage = 90;
  p.syncs = 250;
}

void with_long_batches(Profile& p) {
  p.batches = 120;
  p.long_batches = 300;
  p.kills = 60;
}

void with_failing_syncs(Profile& p) {
  p.failing_syncs = 60;
  p.longest_life = 3000;
}

void with_failing_syncs_in_process_mode(Profile& p) {
  with_failing_syncs(p);
  in_process_mode(p);
}

// Everything is removed again and again, and pages are lost.
void with_clears_and_damage(Profile& p) {
  p.rot = 80;
  p.salvage = 20;
  p.clears = 120;
  p.names = 5;
  p.long_batches = 0;
  p.image_gap = 60;
}

// Segments are freed with everything in them still marked as live, and lose their headers while they are free.
void with_cleared_segments(Profile& p) {
  with_clears_and_damage(p);
  p.options.initial_size = 3 * kMinSegmentSize;
  p.rot = 200;
  p.salvage = 90;
  p.torn_copies = 40;
  p.syncs = 250;
}

void with_views(Profile& p) {
  in_process_mode(p);
  p.views = 80;
  p.compactions = 200;
  p.image_gap = 600;
}

void with_restarts(Profile& p) {
  p.longest_life = 1000;
  p.image_gap = 600;
}

void with_growth(Profile& p) {
  with_little_space(p);
  p.image_gap = 600;
}

void with_runs_in_process_mode(Profile& p) {
  with_little_space(p);
  in_process_mode(p);
  p.wide_values = 25;
  p.names = 25;
  p.image_gap = 100;
}

// Torn entries, and compaction that writes the same ones again before the next crash.
void with_torn_entries(Profile& p) {
  p.longest_life = 500;
  p.image_gap = 40;
  p.names = 12;
  p.short_value = p.long_value = 1500;
  p.huge_values = false;
  p.compactions = 400;
  p.batches = 20;
  p.long_batches = 0;
  p.clears = 0;
  p.rot = p.torn_copies = p.kills = 0;
}

void with_closings(Profile& p) {
  p.closings = 60;
  p.kills = 60;
}

Plan plan_for(Bug bug) {
  switch (bug) {
    case Bug::kCompactionFreesSource: return {20'000, with_little_space};
    case Bug::kScrubNotSynced: return {60'000, with_short_lives};
    case Bug::kKillRecoveryFreesHeld: return {20'000, with_little_space};
    case Bug::kSizeBeforeSync: return {200'000, with_growth};
    case Bug::kOutlivedRunKept: return {500'000, with_runs_in_process_mode};
    case Bug::kTrailerKept: return {5'000, with_cleared_segments};
    case Bug::kLostStateTrusted: return {100'000, with_clears_and_damage};
    case Bug::kGenerationFloorLost: return {50'000, with_restarts};
    case Bug::kTruncateBeforeSuperblock: return {5'000, with_little_space};
    case Bug::kFailedPagesNotKept: return {5'000, with_failing_syncs_in_process_mode};
    case Bug::kZeroMarkAccepted: return {20'000, with_damage};
    case Bug::kSalvageRevives: return {20'000, with_damage};
    case Bug::kRedoListNotPublished: return {5'000, with_long_batches};
    case Bug::kFailureNotMarked: return {10'000, with_failing_syncs};
    case Bug::kCleanFlagKept: return {5'000, with_closings};
    case Bug::kTornLeftoversKept: return {1'000'000, with_torn_entries};
    case Bug::kVoidSegmentsKept: return {20'000, with_short_lives};
    case Bug::kPinsIgnored: return {10'000, with_views};
    case Bug::kRefusedSuperblockKept: return {300'000, with_short_lives};
    default: return {};
  }
}

Profile profile_for(Bug bug, uint64_t seed) {
  Profile profile = profile_of_seed(seed);
  // Some of the bugs are none where durable versions may be overwritten.
  profile.options.durability = Durability::kInterval;
  if (const Plan plan = plan_for(bug); plan.bias != nullptr) plan.bias(profile);
  return profile;
}

}  // namespace

Profile switch_bug_on(const std::string& name, uint64_t seed) {
  if (!test::seed_bug(name)) {
    std::fprintf(stderr, "mmcb_power_cut: there is no bug %s\n", name.c_str());
    std::exit(2);
  }
  return profile_for(test::bug_named(name), seed);
}

int run_bugs(const Arguments& arguments) {
  uint64_t missed = 0;
  uint64_t found = 0;
  const auto begin = std::chrono::steady_clock::now();
  uint64_t all_images = 0;
  std::printf("build %s\n%-26s %8s %8s %8s %8s\n", build_hash().c_str(), "bug", "seeds", "median", "max", "cap");
  for (size_t i = 0; i < static_cast<size_t>(Bug::kCount); i++) {
    const auto bug = static_cast<Bug>(i);
    const std::string name = test::kBugNames[i];
    if (!arguments.wants(name)) continue;
    const uint64_t cap = arguments.max_images != 0 ? arguments.max_images : plan_for(bug).cap;
    std::vector<uint64_t> images;
    std::string example;
    std::string not_found;
    const std::vector<Result> results = run_seeds(arguments, [&](uint64_t seed, Result& result) {
      run_seed(seed, switch_bug_on(name, seed), cap, arguments.dump, result);
    });
    for (size_t work = 0; work < results.size(); work++) {
      all_images += results[work].counters.images;
      if (!results[work].failed) {
        not_found += " " + std::to_string(arguments.first_seed + work);
        continue;
      }
      images.push_back(results[work].counters.images);
      example = results[work].text;
    }
    std::sort(images.begin(), images.end());
    std::printf("%-26s %4zu/%-3zu %8llu %8llu %8llu  %.120s\n", name.c_str(), images.size(), results.size(),
                printable(images.empty() ? 0 : images[images.size() / 2]),
                printable(images.empty() ? 0 : images.back()), printable(cap), example.c_str());
    if (not_found.empty()) {
      found++;
    } else {
      missed++;
      std::printf("%-26s NOT FOUND from seeds%s; again: mmcb_power_cut --replay SEED --images %llu --bug %s\n", "",
                  not_found.c_str(), printable(cap), name.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("bugs: %llu seeds each, %llu images, %.1f s\n", printable(arguments.seeds()), printable(all_images),
              since(begin));
  return print_verdict(found, missed);
}

}  // namespace mmcb::harness
