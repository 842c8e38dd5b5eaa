#include "harness/image_checker.h"

#include <algorithm>
#include <cstring>

namespace mmcb::harness {

ImageChecker::ImageChecker(const Options& options, uint64_t seed, Counters& counters)
    : options_(options), random_(seed ^ 0xc0ffee), counters_(counters), disk_(seed ^ 0xd15c), platform_(disk_) {}

void ImageChecker::fail(const std::string& what) const {
  throw Failure{what, kind_, image_ != nullptr ? *image_ : Image()};
}

std::string ImageChecker::describe(const World& world, const Opened& opened) {
  static constexpr const char* kStatus[] = {"created", "clean", "replayed", "rolled back", "salvaged"};
  const RecoveryReport& r = opened.engine->recovery();
  const auto n = [](uint64_t number) { return std::to_string(number); };
  return std::string(" [") + kStatus[static_cast<size_t>(r.status)] + " at epoch " + n(r.durable_epoch) + ", lost " +
         n(r.lost) + ", quarantined " + n(r.quarantined) + "; durable " + n(world.oracle.durable_epoch()) +
         (world.syncing ? ", syncing " + n(world.syncing_epoch) : "") + (world.superblock_stored ? " (stored)" : "") +
         (world.recovering ? ", recovering" : "") +
         "; against now: " + difference(opened.contents, world.oracle.current()) + "]";
}

void ImageChecker::reset(const Image& image, uint64_t boot) {
  disk_.load(image);
  disk_.set_boot(boot);
  image_ = &image;
}

ImageChecker::Opened ImageChecker::open(RecoveryMode mode, bool tolerant) {
  Options options = options_;
  options.recovery = mode;
  Opened opened;
  ActivityScope activity(disk_.size() == 0 ? Activity::kCreating : Activity::kOpening);
  opened.status = Engine::open(platform_, "image", options, Progress(), &opened.engine);
  if (!disk_.violation().empty()) fail("recovery broke a rule of the platform: " + disk_.violation());
  if (!opened.status.ok()) return opened;
  if (std::string wrong = read_contents(*opened.engine, tolerant, &opened.contents); !wrong.empty()) fail(wrong);
  return opened;
}

ImageChecker::Opened ImageChecker::must_open() {
  Opened opened = open(RecoveryMode::kStrict, false);
  if (!opened.status.ok()) {
    fail(std::string("refused: ") + code_name(opened.status.code()) + " " + opened.status.message());
  }
  if (std::string wrong = check_stats(*opened.engine, opened.contents); !wrong.empty()) fail(wrong);
  return opened;
}

void ImageChecker::expect_no_difference(const Contents& contents, const State& state, const std::string& what) const {
  if (std::string wrong = difference(contents, state); !wrong.empty()) fail(what + ": " + wrong);
}

bool ImageChecker::reports_loss(const RecoveryReport& report) {
  return report.status == RecoveryStatus::kSalvaged || report.lost != 0 || report.quarantined != 0 ||
         !report.damage.empty();
}

// ---- Judgements --------------------------------------------------------------------------------------------------------

Outcome ImageChecker::judge_power_cut(const World& world, const Opened& opened) const {
  if (options_.durability == Durability::kProcess) return judge_salvage(world, opened);
  Outcome outcome;
  outcome.epoch = opened.epoch();
  outcome.created = opened.engine->recovery().status == RecoveryStatus::kCreated;
  if (!world.may_open_at(outcome.epoch)) {
    fail("opened at an epoch that cannot be durable" + describe(world, opened));
  }
  outcome.state = world.oracle.at(outcome.epoch, false);
  if (outcome.epoch == world.failed_epoch && !difference(opened.contents, outcome.state).empty()) {
    outcome.state = world.before_failure.at(outcome.epoch, false);
    outcome.is_failed_one = true;
  }
  if (std::string wrong = difference(opened.contents, outcome.state); !wrong.empty()) {
    fail("not the state of that epoch: " + wrong + describe(world, opened));
  }
  if (reports_loss(opened.engine->recovery())) fail("damage reported where there is none" + describe(world, opened));
  return outcome;
}

// Durability 'process' overwrites durable versions: a power cut may cost, but it is told, and nothing is made up.
Outcome ImageChecker::judge_salvage(const World& world, const Opened& opened) const {
  Outcome outcome;
  outcome.epoch = opened.epoch();
  if (std::string wrong = state_of(opened.contents, world.oracle, &outcome.state); !wrong.empty())
    fail("salvage: " + wrong);
  expect_nothing_revived(world, outcome.state);
  if (reports_loss(opened.engine->recovery())) {
    counters_.salvaged++;
  } else if (!is_prefix(world, opened.contents)) {
    fail("salvage: a loss that was not reported" + describe(world, opened));
  }
  return outcome;
}

Outcome ImageChecker::judge_kill(const World& world, const Opened& opened) const {
  Outcome outcome;
  outcome.epoch = opened.epoch();
  outcome.created = opened.engine->recovery().status == RecoveryStatus::kCreated;
  // What a salvage has set aside stays in the file, and is told of each time.
  if (reports_loss(opened.engine->recovery()) && options_.durability == Durability::kInterval)
    fail("damage reported where there is none" + describe(world, opened));
  const std::string without = difference(opened.contents, world.oracle.current());
  if (without.empty()) {
    outcome.state = world.oracle.current();
    return outcome;
  }
  if (!world.oracle.in_flight()) fail("after every call that returned: " + without + describe(world, opened));
  outcome.state = world.oracle.at(~0ull, true);
  std::vector<uint64_t> found;
  const std::string with = difference(opened.contents, outcome.state, &found);
  if (!with.empty()) fail("without the call in flight: " + without + "; with it: " + with + describe(world, opened));
  outcome.in_flight_applied = true;
  outcome.applied = world.oracle.changes_in_flight();
  size_t next = 0;
  for (Change& change : outcome.applied) {
    if (change.unnamed) {
      change.name.id = change.address = found[next++];
      change.unnamed = false;
      outcome.state.named[change.name] = {change.value, change.address};
    } else if (!change.removed) {
      for (const Contents::Entry& entry : opened.contents.entries) {
        if (entry.name == change.name) change.address = entry.address;
      }
    }
  }
  outcome.state.unnamed.clear();
  return outcome;
}

bool ImageChecker::is_prefix(const World& world, const Contents& contents) const {
  for (size_t calls = 0; calls <= world.oracle.logged_calls(); calls++) {
    if (difference(contents, world.oracle.after_calls(calls)).empty()) return true;
  }
  return world.oracle.in_flight() && difference(contents, world.oracle.at(~0ull, true)).empty();
}

// ---- Checks ------------------------------------------------------------------------------------------------------------

namespace {

class Counting final : public StepListener {
 public:
  void on_step(Step step) override {
    steps++;
    if (step == kStoresSwapped) swapped = steps;
  }
  uint64_t steps = 0;
  uint64_t swapped = 0;  // the last step between swapped stores; 0: none
};

}  // namespace

Outcome ImageChecker::check_power_cut(const World& world, const Image& image) {
  kind_ = "power cut";
  counters_.images++, counters_.power_cuts++;
  reset(image, next_boot_++);
  Counting counting;
  ListenerScope scope(&counting);
  Opened opened = must_open();
  Outcome outcome = judge_power_cut(world, opened);
  if (extras_) extras_after(world, std::move(opened), outcome, nullptr, image, {counting.steps, counting.swapped});
  return outcome;
}

Outcome ImageChecker::check_kill(const World& world, const SimulatedDisk& disk) {
  kind_ = "kill";
  counters_.images++, counters_.kills++;
  Image image;
  disk.live_image(&image);
  disk_.copy_from(disk);
  image_ = &image;
  Counting counting;
  ListenerScope scope(&counting);
  Opened opened = must_open();
  Outcome outcome = judge_kill(world, opened);
  if (extras_) extras_after(world, std::move(opened), outcome, &disk, image, {counting.steps, counting.swapped});
  image_ = nullptr;
  return outcome;
}

Outcome ImageChecker::check_failed_sync(const World& world, const SimulatedDisk& disk, const Image& image) {
  kind_ = "failed sync";
  counters_.images++;
  disk_.copy_from(disk);
  disk_.load_live(image);
  image_ = &image;
  ListenerScope scope(nullptr);
  Opened opened = must_open();
  if (options_.durability == Durability::kProcess) return judge_salvage(world, opened);
  return judge_power_cut(world, opened);
}

}  // namespace mmcb::harness
