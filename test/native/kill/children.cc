#include "kill/children.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/store.h"
#include "core/sync_machine.h"
#include "harness/random.h"
#include "kill/fast_platform.h"

namespace mmcb::harness::killing {
namespace {

Shared* told = nullptr;  // for the hook, which takes no argument but the step

[[noreturn]] void die_now() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

void make_next(Engine& engine, unsigned number, Shared& shared) {
  Lane& lane = shared.lanes[number];
  const uint64_t index = lane.returned.load();
  lane.started.store(index + 1);
  must(make(engine, call_of(number, index)), "a call");
  lane.returned.store(index + 1);
  if (index >= lane.limit.load()) die_now();
}

// Lanes but the first, each on a thread of its own.
void start_lanes(Engine& engine, unsigned lanes, Shared& shared) {
  for (unsigned lane = 1; lane < lanes; lane++) {
    std::thread([&engine, lane, &shared] {
      for (;;) make_next(engine, lane, shared);
    }).detach();
  }
}

void die_at_step(Step step) {
  Shared& shared = *told;
  shared.last_step.store(static_cast<uint32_t>(step));
  const bool counted_out = shared.steps.fetch_add(1) == shared.kill_at.load();
  const bool chosen = static_cast<uint32_t>(step) == shared.chosen.load() && shared.chosen_times.fetch_sub(1) == 1;
  if (counted_out || chosen) die_now();
}

}  // namespace

[[noreturn]] void run_store(const std::string& path, const Options& options, unsigned lanes, bool compact,
                            Shared& shared) {
  std::shared_ptr<Store> store;
  must(Store::open(path, options, Progress(), &store), "Store::open()");
  shared.opened.fetch_add(1);
  start_lanes(store->engine(), lanes, shared);
  if (compact) {
    std::thread([&store, &shared] {
      for (;;) {
        CompactionReport report;
        shared.compacting.store(1);
        must(store->compact(Progress(), &report), "compact()");
        shared.compacting.store(0);
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    }).detach();
  }
  for (uint64_t i = 1;; i++) {
    make_next(store->engine(), 0, shared);
    if (i % 256 == 0) {
      shared.syncing.store(1);
      must(store->flush(), "flush()");
      shared.syncing.store(0);
    }
  }
}

[[noreturn]] void run_steps(const std::string& path, const Options& options, unsigned lanes, uint64_t seed,
                            Shared& shared) {
  told = &shared;
  step_hook = die_at_step;
  FastPlatform platform;
  std::unique_ptr<Engine> engine;
  must(Engine::open(platform, path, options, Progress(), &engine), "Engine::open()");
  shared.opened.fetch_add(1);
  start_lanes(*engine, lanes, shared);
  Random random(seed);
  SyncMachine machine(*engine);
  std::unique_ptr<Compactor> compactor;
  bool waits = false;
  for (;;) {
    make_next(*engine, 0, shared);
    if (random.percent(15)) {
      shared.syncing.store(1);
      must(machine.phase() == SyncMachine::Phase::kIdle ? machine.begin() : machine.step(), "a sync point");
      if (machine.phase() == SyncMachine::Phase::kIdle) {
        shared.syncing.store(0);
        waits = false;
      }
    }
    if (random.percent(10) && compactor == nullptr) {
      compactor = std::make_unique<Compactor>(*engine);
      shared.compacting.store(1);
      compactor->begin(random.one_in(4) ? Compactor::Goal::kAll : Compactor::Goal::kGarbage);
      waits = false;
    } else if (random.percent(30) && compactor != nullptr && !waits) {
      Compactor::Next next = Compactor::Next::kDone;
      must(compactor->step(4096, &next), "compaction");
      waits = next == Compactor::Next::kNeedsSync;
      if (next == Compactor::Next::kDone) {
        compactor.reset();
        shared.compacting.store(0);
      }
    }
  }
}

}  // namespace mmcb::harness::killing
