// mmcb_kill: kills real processes that write to a real file, and checks after each that nothing acknowledged is lost.
//
//   mmcb_kill FILE [--seconds N] [--seed N] [--max-us N]
//
// Two loops, for half of the time each:
//   blind  a child runs a Store with all its threads; it is killed after a random time, often inside opening
//   step   a child runs an Engine and kills itself at a random step (core/step.h), between two stores into the mapping
// What the children have done stands in a mapping of their parent's: the number of calls started and of calls returned.
// The i-th call is a function of i. After a kill the file must hold the state after all calls that returned, or with the
// one in flight as well, whole. This proves safety against the death of the process; power cuts are mmcb_power_cut's.
//
// Exit code: 0 all is well; 1 a failure; 2 wrong use.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/compactor.h"
#include "core/engine.h"
#include "core/platform/posix_platform.h"
#include "core/step.h"
#include "core/store.h"
#include "core/sync_machine.h"
#include "harness/contents.h"
#include "harness/oracle.h"
#include "harness/random.h"

namespace mmcb::harness {
namespace {

struct Shared {
  std::atomic<uint64_t> started;
  std::atomic<uint64_t> returned;
  std::atomic<uint64_t> opened;
  std::atomic<uint64_t> steps;
  std::atomic<uint64_t> kill_at;  // the step at which the child kills itself
  std::atomic<uint32_t> last_step;
};
Shared* shared = nullptr;

constexpr uint64_t kKeys = 150;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "mmcb_kill: %s\n", what.c_str());
  std::_Exit(1);
}

void must(const Status& status, const char* what) {
  if (!status.ok()) die(std::string(what) + ": " + code_name(status.code()) + " " + status.message());
}

Options options_of(uint64_t seed) {
  Options options;
  options.segment_size = kMinSegmentSize;
  options.journal_size = kMinJournalSize;
  options.initial_size = 128 << 10;
  options.address_space = 1 << 30;
  options.durability = seed % 3 == 0 ? Durability::kProcess : Durability::kInterval;
  options.sync_interval_ms = 1;
  options.compaction = CompactionPolicy::kTime;
  options.compaction_interval_ms = 2;
  return options;
}

// ---- The i-th call --------------------------------------------------------------------------------------------------------

struct Call {
  enum class Type : uint8_t { kSet, kErase, kBatch };
  Type type;
  std::vector<Change> changes;
};

Call call_at(uint64_t index) {
  Random random(index);
  Call call{Call::Type::kSet, {}};
  const uint64_t roll = random.below(100);
  if (roll >= 90) call.type = Call::Type::kBatch;
  if (roll < 12) call.type = Call::Type::kErase;
  const uint64_t count = call.type == Call::Type::kBatch ? random.between(2, 12) : 1;
  for (uint64_t i = 0; i < count; i++) {
    Change change;
    const uint64_t key = random.below(kKeys);
    change.name = {key % 2 == 0 ? Kind::kIntKey : Kind::kStringKey, key};
    change.removed = call.type == Call::Type::kErase;
    change.value = {index * 16 + i, random.one_in(8) ? random.below(3000) : random.below(250)};
    if (random.one_in(400)) change.value.length = random.between(5000, 40000);
    call.changes.push_back(change);
  }
  return call;
}

void apply(const Call& call, State* state) {
  for (const Change& change : call.changes) {
    if (change.removed) {
      state->named.erase(change.name);
    } else {
      state->named[change.name].value = change.value;
    }
  }
}

void make(Engine& engine, const Call& call) {
  std::vector<std::string> keys;
  std::vector<std::vector<std::byte>> values;
  std::vector<BatchOperation> operations;
  for (const Change& change : call.changes) {
    keys.push_back(key_bytes(change.name));
    values.emplace_back(change.value.length);
    write_value(change.value, values.back().data());
  }
  for (size_t i = 0; i < call.changes.size(); i++) {
    BatchOperation operation;
    operation.type = BatchOperation::Type::kSet;
    operation.key = {call.changes[i].name.kind, {reinterpret_cast<const std::byte*>(keys[i].data()), keys[i].size()}};
    operation.data = values[i];
    operations.push_back(operation);
  }
  switch (call.type) {
    case Call::Type::kSet: must(engine.set(operations[0].key, operations[0].data, nullptr), "set()"); break;
    case Call::Type::kBatch: must(engine.batch(operations), "batch()"); break;
    case Call::Type::kErase: {
      const Status status = engine.erase(operations[0].key);
      if (status.code() != Code::kNotFound) must(status, "erase()");
      break;
    }
  }
}

void make_next(Engine& engine) {
  const uint64_t index = shared->returned.load();
  shared->started.store(index + 1);
  make(engine, call_at(index));
  shared->returned.store(index + 1);
}

// ---- Children -------------------------------------------------------------------------------------------------------------

[[noreturn]] void run_blind(const std::string& path, uint64_t seed) {
  std::shared_ptr<Store> store;
  must(Store::open(path, options_of(seed), Progress(), &store), "Store::open()");
  shared->opened.fetch_add(1);
  for (;;) {
    make_next(store->engine());
    if (shared->returned.load() % 4096 == 0) must(store->flush(), "flush()");
  }
}

void kill_at_step(Step step) {
  shared->last_step.store(static_cast<uint32_t>(step));
  if (shared->steps.fetch_add(1) != shared->kill_at.load()) return;
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

// One thread: sync points and compaction advance a step now and then, with calls in between.
[[noreturn]] void run_steps(const std::string& path, uint64_t seed) {
  step_hook = kill_at_step;
  std::unique_ptr<Engine> engine;
  must(Engine::open(posix_platform(), path, options_of(seed), Progress(), &engine), "Engine::open()");
  shared->opened.fetch_add(1);
  Random random(seed);
  SyncMachine machine(*engine);
  std::unique_ptr<Compactor> compactor;
  bool waits = false;
  for (;;) {
    make_next(*engine);
    if (random.percent(15)) {
      must(machine.phase() == SyncMachine::Phase::kIdle ? machine.begin() : machine.step(), "a sync point");
      if (machine.phase() == SyncMachine::Phase::kIdle) waits = false;
    }
    if (random.percent(10) && compactor == nullptr) {
      compactor = std::make_unique<Compactor>(*engine);
      compactor->begin(random.one_in(4) ? Compactor::Goal::kAll : Compactor::Goal::kGarbage);
      waits = false;
    } else if (random.percent(30) && compactor != nullptr && !waits) {
      Compactor::Next next = Compactor::Next::kDone;
      must(compactor->step(4096, &next), "compaction");
      waits = next == Compactor::Next::kNeedsSync;
      if (next == Compactor::Next::kDone) compactor.reset();
    }
  }
}

// ---- Their parent -----------------------------------------------------------------------------------------------------------

struct Tally {
  uint64_t kills = 0;
  uint64_t in_a_call = 0;  // killed between the start of a call and its return
  uint64_t applied = 0;    // of these, found in the file
  uint64_t while_opening = 0;
  uint64_t replayed = 0;
  uint64_t closed_clean = 0;
  uint64_t steps[static_cast<size_t>(Step::kCount)] = {};
};

class Loop {
 public:
  Loop(std::string path, uint64_t seed, uint64_t max_us) : path_(std::move(path)), random_(seed), max_us_(max_us) {}

  void run(bool by_step, double seconds) {
    ::unlink(path_.c_str());
    shared->started = shared->returned = 0;
    state_ = State();
    calls_ = 0;
    tally_ = Tally();
    seed_ = random_.next() >> 32;
    const auto start = std::chrono::steady_clock::now();
    double elapsed = 0;
    while ((elapsed = since(start)) < seconds) {
      if (tally_.kills % 1000 == 999) {
        // A fresh file with other options, now and then.
        ::unlink(path_.c_str());
        shared->started = shared->returned = 0;
        state_ = State();
        calls_ = 0;
        seed_ = random_.next() >> 32;
      }
      kill_one(by_step);
      verify();
    }
    print(by_step ? "step" : "blind", elapsed);
  }

 private:
  static double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  void kill_one(bool by_step) {
    const uint64_t opened = shared->opened.load();
    shared->steps = 0;
    shared->kill_at = by_step ? random_.below(random_.one_in(4) ? 100 : 4000) : ~0ull;
    const uint64_t child_seed = seed_ + 3 * (random_.next() >> 40);  // the same durability
    const pid_t child = ::fork();
    if (child == 0) by_step ? run_steps(path_, child_seed) : run_blind(path_, child_seed);
    int status = 0;
    pid_t ended = 0;
    if (!by_step) {
      // One in eight may die while it opens the file; the others are given the time to get there.
      if (!random_.one_in(8)) {
        while (shared->opened.load() == opened && (ended = ::waitpid(child, &status, WNOHANG)) == 0) ::usleep(20);
      }
      ::usleep(static_cast<useconds_t>(random_.below(max_us_)));
      if (ended == 0) ::kill(child, SIGKILL);
    }
    if (ended == 0) ::waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      die("a child ended by itself, status " + std::to_string(status));
    }
    tally_.kills++;
    if (shared->opened.load() == opened) tally_.while_opening++;
    if (by_step) tally_.steps[shared->last_step.load()]++;
  }

  void verify() {
    std::unique_ptr<Engine> engine;
    must(Engine::open(posix_platform(), path_, options_of(seed_), Progress(), &engine), "opening after a kill");
    Contents contents;
    if (std::string wrong = read_contents(*engine, false, &contents); !wrong.empty()) fail(wrong);
    const uint64_t returned = shared->returned.load();
    for (; calls_ < returned; calls_++) apply(call_at(calls_), &state_);
    std::string wrong = difference(contents, state_);
    if (shared->started.load() == returned + 1) {
      tally_.in_a_call++;
      if (!wrong.empty()) {
        apply(call_at(calls_++), &state_);
        const std::string with = difference(contents, state_);
        wrong = with.empty() ? "" : wrong + "; with the call in flight: " + with;
        shared->returned = calls_;
        tally_.applied++;
      } else {
        shared->started = returned;
      }
    }
    if (!wrong.empty()) fail(wrong);
    if (std::string bad = check_stats(*engine, contents); !bad.empty()) fail(bad);
    tally_.replayed += engine->recovery().status == RecoveryStatus::kReplayed;
    if (random_.one_in(10)) {
      must(SyncMachine(*engine).run(true), "closing");
      tally_.closed_clean++;
    }
  }

  [[noreturn]] void fail(const std::string& what) {
    die("after " + std::to_string(tally_.kills) + " kills and " + std::to_string(shared->returned.load()) +
        " calls, last step " + std::to_string(shared->last_step.load()) + ": " + what +
        " (the file is left as it was found)");
  }

  void print(const char* name, double seconds) const {
    const auto n = [](uint64_t count) { return static_cast<unsigned long long>(count); };
    uint64_t hit = 0;
    for (const uint64_t count : tally_.steps) hit += count != 0;
    std::printf(
        "%-5s %llu kills in %.1f s (%.0f/min): %llu inside a call (%llu found done), %llu while opening, "
        "%llu journal or newest state used, %llu closed clean, %llu steps hit: ok\n",
        name, n(tally_.kills), seconds, static_cast<double>(tally_.kills) * 60 / seconds, n(tally_.in_a_call),
        n(tally_.applied), n(tally_.while_opening), n(tally_.replayed), n(tally_.closed_clean), n(hit));
  }

  const std::string path_;
  Random random_;
  const uint64_t max_us_;
  uint64_t seed_ = 0;
  State state_;
  uint64_t calls_ = 0;  // in state_
  Tally tally_;
};

}  // namespace
}  // namespace mmcb::harness

int main(int count, char** values) {
  using namespace mmcb::harness;
  double seconds = 20;
  uint64_t seed = 1;
  uint64_t max_us = 4000;
  for (int i = 2; i < count; i += 2) {
    const std::string flag = values[i];
    const char* const value = i + 1 < count ? values[i + 1] : "";
    if (flag == "--seconds") {
      seconds = std::strtod(value, nullptr);
    } else if (flag == "--seed") {
      seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--max-us") {
      max_us = std::strtoull(value, nullptr, 10) + 1;
    } else {
      count = 0;
    }
  }
  if (count < 2) {
    std::fprintf(stderr, "use: mmcb_kill FILE [--seconds N] [--seed N] [--max-us N]\n");
    return 2;
  }
  void* const mapping = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return 1;
  shared = new (mapping) Shared();
  Loop loop(values[1], seed, max_us);
  loop.run(false, seconds / 2);
  loop.run(true, seconds / 2);
  std::printf("2 passed, 0 failed\n");  // blind and white box; a failure has ended the program
  return 0;
}
