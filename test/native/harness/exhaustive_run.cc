#include <chrono>

#include "harness/crash_run.h"

namespace mmcb::harness {
namespace {

constexpr size_t kMaxDirtyPages = 9;
constexpr int kCalls = 30;

class ExhaustiveRun final : public StepListener {
 public:
  ExhaustiveRun(uint64_t seed, const Profile& profile, Counters& counters, std::chrono::steady_clock::time_point end)
      : random_(seed),
        counters_(counters),
        end_(end),
        disk_(seed ^ 0xd15c0),
        checker_(profile.options, seed, counters),
        workload_(profile, seed, disk_, world_, counters) {
    checker_.set_extras(false);
  }

  void run() {
    ListenerScope scope(this);
    try {
      workload_.open(false);
      for (int i = 0; i < kCalls && !over(); i++) workload_.act();
    } catch (...) {
      disk_.die();
      ListenerScope quiet(nullptr);
      workload_.abandon();
      throw;
    }
    disk_.die();
    ListenerScope quiet(nullptr);
    workload_.abandon();
  }

 private:
  bool over() const { return std::chrono::steady_clock::now() > end_; }

  void on_step(Step step) override {
    counters_.steps[static_cast<size_t>(step)][world_.phase]++;
    if (step == Step::kSuperblockStored && world_.syncing) world_.superblock_stored = true;
    // Few dirty pages at a time.
    if (random_.percent(20)) disk_.write_back_some();
    const std::vector<uint32_t> pages = disk_.dirty_pages();
    if (pages.size() > kMaxDirtyPages) {
      counters_.skipped++;
      return;
    }
    ListenerScope quiet(nullptr);
    checker_.check_kill(world_, disk_);
    Image image;
    for (size_t changes = 0; changes <= disk_.pending_changes(); changes++) {
      for (uint64_t mask = 0; mask < 1ull << pages.size() && !over(); mask++) {
        disk_.make_image_of(pages, mask, changes, &image);
        checker_.check_power_cut(world_, image);
        counters_.exhaustive++;
      }
    }
  }

  Random random_;
  Counters& counters_;
  const std::chrono::steady_clock::time_point end_;
  World world_;
  SimulatedDisk disk_;
  ImageChecker checker_;
  Workload workload_;
};

}  // namespace

void run_exhaustive(uint64_t first_seed, double seconds, Counters& counters, uint64_t* seed) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                          std::chrono::duration<double>(seconds));
  for (*seed = first_seed; std::chrono::steady_clock::now() < end; ++*seed) {
    Profile profile = profile_of_seed(*seed);
    profile.options.durability = Durability::kInterval;
    profile.options.initial_size = 4 * kMinSegmentSize;
    profile.names = 5;
    profile.short_value = 300;
    profile.long_value = 1500;
    profile.huge_values = false;
    profile.faults = false;
    ExhaustiveRun(*seed, profile, counters, end).run();
  }
}

}  // namespace mmcb::harness
