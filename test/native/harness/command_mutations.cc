// The command mutations: finds out which syncs the engine makes and which stores it makes one after the other, then changes
// one of these places after the other and looks whether the harness notices.
#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "harness/backup_run.h"
#include "harness/mutation_reasons.h"
#include "harness/runner.h"

namespace mmcb::harness {
// Everything that the engine does, often: short lives and few images while looking, many after.
Profile profile_for_mutations(uint64_t seed) {
  Profile profile = profile_of_seed(seed);
  profile.options.initial_size = 3 * kMinSegmentSize;
  profile.options.durability = seed % 3 == 2 ? Durability::kProcess : Durability::kInterval;
  profile.longest_life = 3000;
  profile.clears = 10;
  profile.compactions = 150;
  profile.failing_syncs = 15;
  profile.closings = 15;
  profile.batches = 100;
  profile.long_batches = 60;
  profile.rot = profile.torn_copies = 3;
  profile.kills = 45;
  return profile;
}

namespace {

constexpr uint64_t kEnumerationImages = 2'500;
// How long is searched, from each seed: for what should be noticed, and for what should not, and would be soon if it could.
constexpr uint64_t kSyncCap = 25'000;
constexpr uint64_t kSwapCap = 5'000;
constexpr uint64_t kExplainedCap = 250;
constexpr uint64_t kBackupsPerSeed = 12;

// A sync that is missing shows after a crash and one more, mostly soon after an opening or a closing.
Profile profile_for_syncs(uint64_t seed) {
  Profile profile = profile_for_mutations(seed);
  profile.options.durability = Durability::kInterval;
  profile.longest_life = 600;
  profile.image_gap = 100;
  profile.closings = 40;
  profile.start_over = 8;
  return profile;
}

struct Mutant {
  std::string name;
  std::function<void()> apply;
};

// "file function#n": the n-th line of the function that stores. Lines move, names stay.
std::map<StorePlace, std::string> names_of(const std::map<StorePair, uint64_t>& pairs) {
  std::map<std::string, std::set<int>> lines;
  for (const auto& [pair, count] : pairs) {
    lines[pair.first.first].insert(pair.first.second);
    lines[pair.second.first].insert(pair.second.second);
  }
  std::map<StorePlace, std::string> names;
  for (const auto& [function, set] : lines) {
    int n = 0;
    for (const int line : set) names[{function, line}] = function + "#" + std::to_string(++n);
  }
  return names;
}

struct Places {
  std::vector<Mutant> syncs;
  std::vector<Mutant> swaps;
};

// In this process: what is seen is in `mutation`.
bool enumerate(const Arguments& arguments, Places* places) {
  mutation.enumerate(true);
  Result result{};
  for (uint64_t seed = arguments.first_seed; seed < arguments.first_seed + 3 && !result.failed; seed++) {
    run_seed(seed, profile_for_mutations(seed), kEnumerationImages, arguments.dump, result);
    if (!result.failed) run_backup_seed(seed, kBackupsPerSeed, arguments.dump, result);
  }
  mutation.enumerate(false);
  if (result.failed) {
    std::printf("FAILED without any mutation: %s\n", result.text);
    return false;
  }
  for (const auto& [name, count] : mutation.syncs_seen()) {
    places->syncs.push_back({name, [name = name] { mutation.remove_sync(name); }});
  }
  const std::map<StorePlace, std::string> names = names_of(mutation.pairs_seen());
  for (const auto& [pair, count] : mutation.pairs_seen()) {
    places->swaps.push_back(
        {names.at(pair.first) + " > " + names.at(pair.second), [pair = pair] { mutation.swap_stores(pair); }});
  }
  return true;
}

const char* reason_for(const std::vector<MutationReason>& reasons, const std::string& name) {
  for (const MutationReason& r : reasons) {
    if (fnmatch(r.name, name.c_str(), 0) == 0) return r.reason;
  }
  return nullptr;
}

// Each from every seed until one of them finds it. Returns the number of failures.
uint64_t judge(const char* what, const std::vector<Mutant>& mutants, const std::vector<MutationReason>& reasons,
               Profile (*profile)(uint64_t), uint64_t cap, const Arguments& arguments, uint64_t* passed) {
  std::vector<Work> works;
  for (const Mutant& mutant : mutants) {
    const uint64_t images = reason_for(reasons, mutant.name) != nullptr ? std::min(cap, kExplainedCap) : cap;
    works.push_back([&mutant, images, profile, &arguments](Result& result) {
      mutant.apply();
      for (uint64_t seed = arguments.first_seed; seed <= arguments.last_seed && !result.failed; seed++) {
        run_backup_seed(seed, kBackupsPerSeed, arguments.dump, result);
        if (!result.failed) run_seed(seed, profile(seed), images, arguments.dump, result);
      }
      result.swaps = mutation.swaps_made();
    });
  }
  const std::vector<Result> results = run_all(works, arguments.jobs);
  uint64_t failures = 0;
  uint64_t found = 0;
  uint64_t explained = 0;
  uint64_t images = 0;
  for (size_t i = 0; i < mutants.size(); i++) {
    const Result& result = results[i];
    images += result.counters.images;
    const char* const reason = reason_for(reasons, mutants[i].name);
    const char* const name = mutants[i].name.c_str();
    if (result.failed) {
      found++;
      std::printf("%-62s %6llu images, %5llu swaps  %.110s\n", name, printable(result.counters.images),
                  printable(result.swaps), result.text);
    } else {
      std::printf("%-62s SURVIVES %llu images, %llu swaps: %s\n", name, printable(result.counters.images),
                  printable(result.swaps), reason != nullptr ? reason : "UNEXPLAINED");
      if (reason != nullptr) explained++;
    }
    // A reason that does not hold is as bad as none.
    if (result.failed != (reason == nullptr)) failures++;
    if (result.failed && reason != nullptr) std::printf("  is noticed, although: %s\n", reason);
  }
  for (const MutationReason& r : reasons) {
    const bool exists = std::any_of(mutants.begin(), mutants.end(),
                                    [&](const Mutant& m) { return fnmatch(r.name, m.name.c_str(), 0) == 0; });
    if (exists) continue;
    std::printf("there is a reason for %s, which was not seen any more\n", r.name);
    failures++;
  }
  std::printf("%s: %zu, noticed %llu, survive for a reason %llu, failures %llu; %llu images\n", what, mutants.size(),
              printable(found), printable(explained), printable(failures), printable(images));
  *passed += found + explained;
  return failures;
}

}  // namespace

int run_mutations(const Arguments& arguments) {
  std::printf("build %s\n", build_hash().c_str());
  Places places;
  if (!enumerate(arguments, &places)) return print_verdict(0, 1);
  const auto start = std::chrono::steady_clock::now();
  const auto cap = [&](uint64_t usual) { return arguments.max_images != 0 ? arguments.max_images : usual; };
  uint64_t passed = 0;
  uint64_t failures = 0;
  if (arguments.wants("syncs"))
    failures +=
        judge("syncs removed", places.syncs, reasons_for_syncs(), profile_for_syncs, cap(kSyncCap), arguments, &passed);
  if (arguments.wants("swaps"))
    failures += judge("stores swapped", places.swaps, reasons_for_swaps(), profile_for_mutations, cap(kSwapCap),
                      arguments, &passed);
  std::printf("mutations: %.1f s\n", since(start));
  return print_verdict(passed, failures);
}

}  // namespace mmcb::harness
