#include "harness/crash_run.h"

namespace mmcb::harness {
namespace {

constexpr size_t kMaxDirtyPages = 9;
constexpr int kGenerations = 3;  // some bugs take a crash, and another one after it
constexpr int kCalls = 12;

class ExhaustiveRun final : public StepListener {
 public:
  ExhaustiveRun(uint64_t seed, const Profile& profile, Counters& counters, Step* last_step)
      : random_(seed),
        counters_(counters),
        last_step_(*last_step),
        disk_(seed ^ 0xd15c0),
        checker_(profile.options, seed, counters),
        workload_(profile, seed, disk_, world_, counters) {
    checker_.set_extras(false);
  }

  void run() {
    ListenerScope scope(this);
    try {
      for (int generation = 0; generation < kGenerations; generation++) {
        if (generation != 0) crash();
        workload_.open(false);
        for (int i = 0; i < kCalls; i++) workload_.act();
      }
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
  // Any one of the images is what the next generation starts from.
  void crash() {
    disk_.die();
    ListenerScope quiet(nullptr);
    workload_.abandon();
    Image image;
    disk_.make_image(&image);
    disk_.load(image);
    disk_.set_boot(++boot_);
    const Outcome outcome = checker_.check_power_cut(world_, image);
    world_.oracle.rolled_back(outcome.state, outcome.epoch);
    world_.syncing = world_.superblock_stored = false;
    counters_.crashes++;
  }

  void on_step(Step step) override {
    last_step_ = step;
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
    if (!disk_.is_name_durable()) checker_.check_power_cut(world_, image);
    for (size_t changes = 0; changes <= disk_.pending_changes(); changes++) {
      for (uint64_t mask = 0; mask < 1ull << pages.size(); mask++) {
        disk_.make_image_of(pages, mask, changes, &image);
        checker_.check_power_cut(world_, image);
        counters_.exhaustive++;
      }
    }
  }

  Random random_;
  Counters& counters_;
  Step& last_step_;
  uint64_t boot_ = 1;
  World world_;
  SimulatedDisk disk_;
  ImageChecker checker_;
  Workload workload_;
};

}  // namespace

void run_exhaustive(uint64_t seed, Counters& counters, Step* last_step) {
  Profile profile = profile_of_seed(seed);
  profile.options.durability = Durability::kInterval;
  profile.options.initial_size = 2 * kMinSegmentSize;
  profile.names = 5;
  profile.short_value = 300;
  profile.long_value = 1500;
  profile.huge_values = false;
  profile.faults = false;
  profile.long_batches = 0;
  ExhaustiveRun(seed, profile, counters, last_step).run();
}

}  // namespace mmcb::harness
