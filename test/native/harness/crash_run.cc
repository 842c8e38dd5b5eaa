#include "harness/crash_run.h"

namespace mmcb::harness {

Profile profile_of_seed(uint64_t seed) {
  Random random(seed ^ 0x9f0f11e);
  Profile profile;
  Options& o = profile.options;
  o.segment_size = kMinSegmentSize;
  o.journal_size = kMinJournalSize;
  o.initial_size = random.between(3, 10) * kMinSegmentSize;
  o.max_size = random.one_in(3) ? 16 * kMinSegmentSize : 40 * kMinSegmentSize;
  o.address_space = 8 << 20;
  static constexpr double kFactors[] = {1.0, 1.3, 2.0};
  o.extension_factor = kFactors[random.below(3)];
  o.durability = seed % 5 == 4 ? Durability::kProcess : Durability::kInterval;
  profile.names = random.between(5, 100);
  o.saved_tables_from = seed % 2 == 0 ? 0 : Options::kNoSavedTables;
  return profile;
}

CrashRun::CrashRun(uint64_t seed, const Profile& profile, Counters& counters)
    : random_(seed),
      profile_(profile),
      counters_(counters),
      disk_(seed ^ 0xd15c0),
      checker_(profile.options, seed, counters),
      workload_(profile, seed, disk_, world_, counters) {
  checker_.set_salvage_share(profile.salvage);
  if (seed % 4 == 3) disk_.set_hole_unit(2 * uint64_t{profile.options.segment_size});
}

void CrashRun::arm_generation() {
  // Most lives are short, so that many end soon after a recovery; some are long enough to grow and compact the file.
  const uint64_t lives[] = {60, 300, profile_.longest_life / 5, profile_.longest_life};
  until_crash_ = random_.between(1, lives[random_.below(4)]);
}

void CrashRun::run(uint64_t images) {
  ListenerScope scope(this);
  const uint64_t end = counters_.images + images;
  until_image_ = 1;
  disk_.set_boot(1);
  until_crash_ = random_.one_in(2) ? random_.between(1, 20) : 0;
  try {
    try {
      workload_.open(false);
      arm_generation();
    } catch (Crash& crash) {
      survive(std::move(crash));
    }
    while (counters_.images < end) {
      try {
        workload_.act();
      } catch (Crash& crash) {
        survive(std::move(crash));
      }
    }
    workload_.verify();
    disk_.die();
    workload_.abandon();
  } catch (...) {
    disk_.die();
    ListenerScope quiet(nullptr);
    workload_.abandon();
    throw;
  }
}

void CrashRun::on_step(Step step) {
  const bool is_swap = step == kStoresSwapped;
  steps_++;
  last_step_ = step;
  if (!is_swap) counters_.steps[static_cast<size_t>(step)][world_.phase]++;
  if (step == Step::kSuperblockStored && world_.syncing) world_.superblock_stored = true;
  if (random_.percent(3)) disk_.write_back_some();
  if (random_.one_in(100) && workload_.sync_beside_call()) counters_.syncs_inside_calls++;
  if (is_swap) {
    if (random_.one_in(2)) check_side_image();
  } else if (mutation.removes_sync() && step >= Step::kSyncBegun && step <= Step::kSyncCompleted && random_.one_in(3)) {
    check_side_image();
  } else if (--until_image_ == 0) {
    until_image_ = random_.between(1, profile_.image_gap);
    check_side_image();
  }
  if (until_crash_ != 0 && (--until_crash_ == 0 || (is_swap && random_.one_in(16)))) {
    const bool kill = !world_.failing && random_.one_in(3);
    stop_world(disk_, kill && !pages_may_go());
  }
}

// While recovery sees to it that the pages of a failed sync stay, those that it has not come to may go at any time: what a kill
// leaves then need not be what was found before.
bool CrashRun::pages_may_go() const { return last_step_ == kStoresSwapped && world_.recovering && world_.undone; }

void CrashRun::check_side_image() {
  ListenerScope quiet(nullptr);
  const uint64_t roll = random_.below(100);
  uint64_t below = 0;
  const auto is = [&](uint64_t share) { return roll < (below += share); };
  const bool trusted = !world_.failing && !world_.undone;
  Image image;
  if (is(profile_.kills) && !world_.failing && !pages_may_go()) {
    checker_.check_kill(world_, disk_);
  } else if (is(profile_.torn_copies) && trusted) {
    disk_.make_image(&image);
    checker_.check_torn_copy(world_, image, disk_.boot());
  } else if (is(profile_.rot) && trusted) {
    disk_.durable_image(&image);
    if (image.size() != 0) checker_.check_rot(world_, std::move(image), disk_.boot(), copy_.get());
  } else if (is(profile_.restored_copies) && trusted && copy_ != nullptr && copy_->boot == disk_.boot()) {
    disk_.live_image(&image);
    checker_.check_restored_copy(world_, *copy_, image);
  } else {
    disk_.make_image(&image);
    checker_.check_power_cut(world_, image);
  }
  if (random_.one_in(50) && trusted) remember_copy();
}

void CrashRun::remember_copy() {
  copy_ = std::make_unique<OldCopy>();
  disk_.live_image(&copy_->image);
  if (copy_->image.size() == 0) return copy_.reset();
  copy_->boot = disk_.boot();
  copy_->recovering = world_.recovering;
  copy_->states = world_.oracle.states_lately();
}

void CrashRun::start_over() {
  disk_.load(Image());
  world_.oracle = Oracle();
  world_.syncing = world_.superblock_stored = false;
  world_.failed_epoch = 0;
  world_.recovering = true;
  copy_.reset();
}

void CrashRun::survive(Crash crash) {
  workload_.abandon();
  counters_.crashes++;
  if (random_.one_in(profile_.start_over)) {
    start_over();
    crash = {Crash::Kind::kPowerCut, Image()};
  }
  for (int depth = 0;; depth++) {
    // What is left is opened on the side first: that tells what the run goes on from.
    Outcome outcome;
    {
      ListenerScope quiet(nullptr);
      Oracle& oracle = world_.oracle;
      switch (crash.kind) {
        case Crash::Kind::kPowerCut:
          disk_.load(crash.image);
          disk_.set_boot(next_boot_++);
          outcome = checker_.check_power_cut(world_, crash.image);
          // A file that was not there yet is created again, with its epochs.
          if (outcome.epoch != oracle.durable_epoch()) world_.unconfirmed = world_.syncing_at_once;
          oracle.rolled_back(outcome.state, outcome.created ? oracle.durable_epoch() : outcome.epoch);
          world_.syncing = world_.superblock_stored = false;
          world_.failed_epoch = 0;
          break;
        case Crash::Kind::kKill:
          disk_.load_live(crash.image);
          outcome = checker_.check_kill(world_, disk_);
          oracle.settle_in_flight(outcome.in_flight_applied, outcome.applied);
          break;
        case Crash::Kind::kFailedSync:
          disk_.load_live(crash.image);
          outcome = checker_.check_failed_sync(world_, disk_, crash.image);
          if (profile_.options.durability == Durability::kProcess) {
            oracle.rolled_back(outcome.state, outcome.epoch);
          } else {
            // The superblock gone by may be in the page cache only: until recovery is done, a power cut may find the one
            // before. Or one that was made at once, and is taken back.
            if (outcome.is_failed_one) {
              oracle = world_.before_failure;
            } else if (world_.syncing_at_once && world_.superblock_stored && outcome.epoch != world_.syncing_epoch &&
                       world_.failed_epoch == 0) {
              world_.failed_epoch = world_.syncing_epoch;
              world_.before_failure = oracle;
            }
            oracle.forget_after(outcome.epoch);
          }
          world_.undone = true;
          break;
      }
      world_.failing = false;
    }
    until_crash_ = depth < 3 && random_.one_in(3) ? random_.between(1, 30) : 0;
    try {
      workload_.open(false);
      arm_generation();
      return;
    } catch (Crash& again) {
      workload_.abandon();
      counters_.nested_crashes++;
      crash = std::move(again);
    }
  }
}

}  // namespace mmcb::harness
