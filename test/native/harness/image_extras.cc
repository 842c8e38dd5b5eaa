// The second part of a check: what comes after an image has opened.
#include <algorithm>

#include "core/sync_machine.h"
#include "harness/image_checker.h"

namespace mmcb::harness {
namespace {

// Stops the world at one step of an opening.
class StopAt final : public StepListener {
 public:
  StopAt(SimulatedDisk& disk, uint64_t step, bool kill) : disk_(disk), step_(step), kill_(kill) {}
  void on_step(Step) override {
    seen_++;
    if (seen_ % 4 == 0) disk_.write_back_some();
    if (seen_ == step_) stop_world(disk_, kill_);
  }

 private:
  SimulatedDisk& disk_;
  const uint64_t step_;
  const bool kill_;
  uint64_t seen_ = 0;
};

}  // namespace

void ImageChecker::extras_after(const World& world, Opened opened, const Outcome& outcome, const SimulatedDisk* disk,
                                const Image& image, const OpeningSteps& steps) {
  if (steps.swapped != 0 && random_.one_in(2)) {
    opened.engine.reset();
    return cut_again(world, outcome, disk, image, steps);
  }
  switch (random_.below(8)) {
    case 0: return reopen(std::move(opened), outcome);
    case 1: return go_on(std::move(opened), outcome);
    case 2:
    case 3: opened.engine.reset(); return cut_again(world, outcome, disk, image, steps);
    case 4: return verify(opened, reports_loss(opened.engine->recovery()));
    default: return;
  }
}

// Recovery is idempotent: opened again, the file says the same.
void ImageChecker::reopen(Opened opened, const Outcome& outcome) {
  counters_.reopened++;
  opened.engine.reset();
  Opened again = must_open();
  expect_no_difference(again.contents, outcome.state, "opened a second time");
}

// What came out of a crash is a store like any other: it takes changes and keeps them over a power cut.
void ImageChecker::go_on(Opened opened, const Outcome& outcome) {
  counters_.continued++;
  ActivityScope activity(Activity::kRunning);
  State state = outcome.state;
  Engine& engine = *opened.engine;
  uint64_t id = 1ull << 48;
  std::vector<std::byte> bytes(4096);
  const auto write = [&](Value* value) {
    *value = {id++, random_.below(600)};
    write_value(*value, bytes.data());
    return Bytes{bytes.data(), value->length};
  };
  const auto expect = [&](const Status& status, const char* what) {
    if (!status.ok() && status.code() != Code::kFull)
      fail(std::string("after recovery, ") + what + ": " + code_name(status.code()) + " " + status.message());
    return status.ok();
  };
  for (int i = 0; i < 4; i++) {
    mutation.forget_store();
    Value value;
    Address address;
    if (expect(engine.add(write(&value), &address), "add()")) {
      const Name name{Kind::kPlain, address.to_integer()};
      if (!state.named.emplace(name, Held{value, name.id}).second)
        fail("after recovery, add() gave out a live address");
    }
    if (state.named.empty()) continue;
    auto victim = std::next(state.named.begin(), static_cast<std::ptrdiff_t>(random_.below(state.named.size())));
    if (victim->second.address == kUnknownAddress) continue;
    const Address of_victim = Address::from_integer(victim->second.address);
    mutation.forget_store();
    if (random_.one_in(3)) {
      if (expect(engine.remove(of_victim), "remove()")) state.named.erase(victim);
    } else if (expect(engine.update(of_victim, write(&value)), "update()")) {
      victim->second.value = value;
    }
  }
  SyncMachine machine(engine);
  expect(machine.run(), "a sync point");
  Contents contents;
  if (std::string wrong = read_contents(engine, false, &contents); !wrong.empty()) fail("after recovery: " + wrong);
  expect_no_difference(contents, state, "changed after recovery");
  Image image;
  disk_.durable_image(&image);
  opened.engine.reset();
  disk_.load(image);
  disk_.set_boot(next_boot_++);
  Opened again = must_open();
  expect_no_difference(again.contents, state, "changed after recovery, synced and cut");
}

// The power fails, or the process dies, a second time inside recovery.
void ImageChecker::cut_again(const World& world, const Outcome& first, const SimulatedDisk* disk, const Image& image,
                             const OpeningSteps& steps) {
  if (steps.count == 0) return;
  counters_.second_cuts++;
  const uint64_t boot = next_boot_++;
  if (disk != nullptr) {
    disk_.copy_from(*disk);
  } else {
    disk_.load(image);
    disk_.set_boot(boot);
  }
  const bool kill = random_.one_in(3);
  {
    const uint64_t at = steps.swapped != 0 && random_.percent(80) ? steps.swapped : random_.between(1, steps.count);
    StopAt stop(disk_, at, kill);
    ListenerScope scope(&stop);
    ActivityScope activity(disk_.size() == 0 ? Activity::kCreating : Activity::kOpening);
    std::unique_ptr<Engine> engine;
    try {
      const Status status = Engine::open(platform_, "image", options_, Progress(), &engine);
      return;  // with other random numbers, it took fewer steps
    } catch (const Crash& crash) {
      engine.reset();
      if (kill) {
        disk_.load_live(crash.image);
      } else {
        disk_.load(crash.image);
        disk_.set_boot(next_boot_++);
      }
    }
  }
  ListenerScope quiet(nullptr);
  kind_ = kill ? "kill inside recovery" : "power cut inside recovery";
  Opened opened = must_open();
  if (difference(opened.contents, first.state).empty() && (opened.epoch() >= first.epoch || first.created)) return;
  if (options_.durability == Durability::kProcess) {
    judge_salvage(world, opened);
    return;
  }
  // A power cut inside the recovery of a killed process: the sync point before is as good.
  if (disk != nullptr && !kill && world.may_open_at(opened.epoch()) &&
      difference(opened.contents, world.oracle.at(opened.epoch(), false)).empty()) {
    return;
  }
  fail("opened at epoch " + std::to_string(opened.epoch()) + ", the first time at " + std::to_string(first.epoch) +
       ": " + difference(opened.contents, first.state));
}

}  // namespace mmcb::harness
