#include "kill/chain.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <utility>

#include "core/compactor.h"
#include "core/saved_tables.h"
#include "core/sync_machine.h"
#include "core/verify.h"
#include "harness/contents.h"
#include "kill/children.h"
#include "kill/fast_platform.h"

namespace mmcb::harness::killing {
namespace {

// Kills after which a chain begins a new file, with other options: long enough for what goes wrong over generations.
constexpr uint64_t kGenerations = 100;
// A moment chosen by number lies among this many steps: most children get that far, few get there while opening.
constexpr uint64_t kManySteps = 3000;
constexpr uint64_t kFewSteps = 100;
// A blind child is killed within this time after it has opened the file, or made some calls.
constexpr uint64_t kMicroseconds = 2500;
constexpr uint64_t kSomeCalls = 400;
// However busy the machine is: a child does no more than this.
constexpr uint64_t kMostCalls = 1200;

// Whether a call that never returned is in the file. All of it or nothing: anything else makes difference() fail, whatever
// is said here. `state`: before the call.
bool is_there(const Call& call, const Contents& contents, const State& state) {
  State after = state;
  Oracle::apply(call.changes, &after);
  for (const Change& change : call.changes) {
    const auto found = std::find_if(contents.entries.begin(), contents.entries.end(),
                                    [&](const Contents::Entry& e) { return e.name == change.name; });
    const Contents::Entry* const entry = found == contents.entries.end() ? nullptr : &*found;
    // One name that tells the states before and after apart is enough.
    const bool as_after = is_as_in(after, change.name, contents, entry);
    if (as_after != is_as_in(state, change.name, contents, entry)) return as_after;
  }
  return false;
}

}  // namespace

void Tally::add(const Tally& other) {
  kills += other.kills;
  files += other.files;
  calls += other.calls;
  while_opening += other.while_opening;
  in_a_call += other.in_a_call;
  in_several += other.in_several;
  for (size_t i = 0; i < Call::kTypes; i++) in[i] += other.in[i];
  found_done += other.found_done;
  while_compacting += other.while_compacting;
  while_syncing += other.while_syncing;
  only_looked_at += other.only_looked_at;
  closed_clean += other.closed_clean;
  largest_file = std::max(largest_file, other.largest_file);
  largest_rest = std::max(largest_rest, other.largest_rest);
  for (size_t i = 0; i <= static_cast<size_t>(Step::kCount); i++) steps[i] += other.steps[i];
}

Chain::Chain(std::string path, const Setting& setting, uint64_t seed, Shared& shared, Tally& tally)
    : path_(std::move(path)), setting_(setting), seed_(seed), random_(seed), shared_(shared), tally_(tally) {}

void Chain::run(uint64_t kills) {
  for (uint64_t i = 0; i < kills; i++) {
    if (i % kGenerations == 0) {
      if (i != 0) check_space();
      start_file();
    }
    const uint64_t opened = shared_.opened.load();
    kill_one();
    is_new_ = is_new_ && shared_.opened.load() == opened;
    check();
  }
  check_space();
  ::unlink(path_.c_str());
}

void Chain::start_file() {
  ::unlink(path_.c_str());
  for (Lane& lane : shared_.lanes) lane.started = lane.returned = 0;
  std::fill(std::begin(calls_), std::end(calls_), 0);
  state_ = State();
  is_new_ = true;
  is_unrecovered_ = false;
  tally_.files++;
  options_ = Options();
  options_.segment_size = random_.one_in(4) ? 4 * kMinSegmentSize : kMinSegmentSize;
  options_.journal_size = random_.one_in(4) ? kDefaultJournalSize : kMinJournalSize;
  options_.extension_factor = random_.one_in(3) ? 1 : 1.3;
  options_.initial_size = 128 << 10;
  options_.address_space = 1 << 30;
  options_.durability = setting_.durability;
  options_.sync_interval_ms = 1;
  options_.saved_tables_from = random_.one_in(2) ? 0 : Options::kNoSavedTables;
  const CompactionPolicy policies[] = {CompactionPolicy::kTime, CompactionPolicy::kSpace, CompactionPolicy::kDisabled};
  options_.compaction = policies[random_.below(3)];
  options_.compaction_interval_ms = 2;
  compacts_ = random_.one_in(2) || options_.compaction == CompactionPolicy::kDisabled;
}

// Half of the children that count steps die at a random one. The other half at the n-th occurrence of a step that is drawn
// first, so that the rare ones are not left out; if it does not come, later.
void Chain::choose_moment() {
  constexpr Step kOfRecovery[] = {Step::kRecoveryReplayed,     Step::kJournalApplyHalf, Step::kRecoveryScrubbed,
                                  Step::kRecoveryStateWritten, Step::kRecoverySynced,   Step::kRecoveryPublished};
  const auto choose = [&](Step step, uint64_t times) {
    shared_.kill_at = 4 * kManySteps;
    shared_.chosen = static_cast<uint32_t>(step);
    shared_.chosen_times = times;
  };
  shared_.steps = 0;
  shared_.chosen = static_cast<uint32_t>(Step::kCount);
  shared_.kill_at = random_.below(random_.one_in(4) ? kFewSteps : kManySteps);
  if (random_.one_in(2)) return;
  if (is_new_ && random_.one_in(2)) return choose(Step::kHeadWritten, 1);
  if (is_unrecovered_ && random_.one_in(2)) return choose(kOfRecovery[random_.below(std::size(kOfRecovery))], 1);
  // Space has to be free for a while before it becomes a hole: few children get there.
  if (random_.one_in(16)) return choose(Step::kPunched, 1);
  choose(static_cast<Step>(random_.below(static_cast<uint64_t>(Step::kCount))),
         random_.one_in(2) ? 1 : random_.between(2, 8));
}

// One in eight may die while it opens the file; the others are given the time to get there. Half of these go on until they
// have made some calls. Returns what waitpid() said, should the child have ended by itself.
pid_t Chain::await_moment(pid_t child, uint64_t opened, int* status) {
  pid_t ended = 0;
  const auto wait_for = [&](const auto& condition) {
    while (!condition() && (ended = ::waitpid(child, status, WNOHANG)) == 0) ::usleep(50);
  };
  if (!random_.one_in(8)) {
    wait_for([&] { return shared_.opened.load() != opened; });
    if (random_.one_in(2) && ended == 0) {
      const uint64_t wanted = shared_.lanes[0].returned.load() + random_.below(kSomeCalls);
      wait_for([&] { return shared_.lanes[0].returned.load() >= wanted; });
    }
  }
  ::usleep(static_cast<useconds_t>(random_.below(kMicroseconds)));
  return ended;
}

void Chain::kill_one() {
  const uint64_t opened = shared_.opened.load();
  shared_.compacting = 0;
  shared_.syncing = 0;
  if (setting_.by_step) choose_moment();
  for (Lane& lane : shared_.lanes) lane.limit = lane.returned.load() + kSomeCalls + random_.below(kMostCalls);
  const uint64_t child_seed = random_.next();
  const pid_t child = ::fork();
  if (child < 0) die("fork() failed");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setting_.by_step) run_steps(path_, options_, setting_.lanes, child_seed, shared_);
    run_store(path_, options_, setting_.lanes, compacts_, shared_);
  }
  int status = 0;
  pid_t ended = 0;
  if (!setting_.by_step) {
    ended = await_moment(child, opened, &status);
    if (ended == 0) ::kill(child, SIGKILL);
  }
  if (ended == 0) ::waitpid(child, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    fail("a child ended by itself, status " + std::to_string(status));
  }
  tally_.kills++;
  if (shared_.opened.load() == opened) tally_.while_opening++;
  tally_.while_compacting += shared_.compacting.load();
  tally_.while_syncing += shared_.syncing.load();
  if (setting_.by_step) tally_.steps[shared_.last_step.load()]++;
}

// Brings state_ up to what the lanes say was acknowledged, and to what they did not live to say.
void Chain::settle(const Contents& contents) {
  unsigned in_flight = 0;
  for (unsigned i = 0; i < setting_.lanes; i++) {
    Lane& lane = shared_.lanes[i];
    const uint64_t returned = lane.returned.load();
    tally_.calls += returned - calls_[i];
    for (; calls_[i] < returned; calls_[i]++) Oracle::apply(call_of(i, calls_[i]).changes, &state_);
    if (lane.started.load() != returned + 1) continue;
    const Call call = call_of(i, returned);
    in_flight++;
    tally_.in[static_cast<size_t>(call.type)]++;
    if (is_there(call, contents, state_)) {
      Oracle::apply(call.changes, &state_);
      lane.returned = ++calls_[i];
      tally_.found_done++;
    } else {
      lane.started = returned;
    }
  }
  tally_.in_a_call += in_flight != 0;
  tally_.in_several += in_flight > 1;
}

void Chain::check() {
  Options options = options_;
  // Sometimes the file is only looked at: then it is the next child that recovers it, and may be killed over it. More often
  // so when the journal is armed.
  const auto last = static_cast<Step>(shared_.last_step.load());
  const bool armed = last == Step::kJournalArmed || last == Step::kJournalApplyHalf || last == Step::kJournalApplied;
  options.read_only = random_.percent(armed ? 80 : 33);
  FastPlatform platform;
  std::unique_ptr<Engine> engine;
  Status status = Engine::open(platform, path_, options, Progress(), &engine);
  if (!status.ok() && options.read_only && (status.code() == Code::kNotMmcb || status.code() == Code::kIo) &&
      state_.named.empty() && calls_[0] == 0) {
    // Killed during creation: there is nothing that could be looked at.
    options.read_only = false;
    status = Engine::open(platform, path_, options, Progress(), &engine);
  }
  if (!status.ok()) fail("opening after a kill: " + std::string(code_name(status.code())) + " " + status.message());
  const RecoveryReport& report = engine->recovery();
  // Killed before the creation was complete: nothing is vouched for but that the file is empty, which is looked at below.
  const bool is_new = state_.named.empty() && calls_[0] == 0;
  const bool gave_up = report.status == RecoveryStatus::kRolledBack || report.status == RecoveryStatus::kSalvaged;
  if ((gave_up && !is_new) || report.lost != 0 || report.quarantined != 0) {
    fail("recovery gave up what the page cache still had, status " + std::to_string(static_cast<int>(report.status)));
  }
  Contents contents;
  if (std::string wrong = read_contents(*engine, false, &contents); !wrong.empty()) fail(wrong);
  settle(contents);
  if (std::string wrong = difference(contents, state_); !wrong.empty()) fail(wrong);
  if (std::string wrong = check_stats(*engine, contents); !wrong.empty()) fail(wrong);
  tally_.largest_file = std::max(tally_.largest_file, engine->stats().file_size);
  if (options.read_only) {
    tally_.only_looked_at++;
    is_unrecovered_ = true;
    return;
  }
  is_unrecovered_ = false;
  if (random_.one_in(4)) {
    VerifyReport found;
    const Status verified = Verifier(*engine).run(Progress(), &found);
    if (!verified.ok()) fail("verify(): " + verified.message());
    if (!found.errors.empty()) fail("verify(): " + found.errors[0].message);
  }
  if (random_.one_in(10)) {
    must(SyncMachine(*engine).run(true), "closing");
    (void)SavedTables(*engine).save();
    tally_.closed_clean++;
  }
}

// No kill has made the file lose track of its space: what live entries do not need is free. (Not always given back: an entry
// wider than a segment stays where it is, at the end perhaps.)
void Chain::check_space() {
  FastPlatform platform;
  std::unique_ptr<Engine> engine;
  must(Engine::open(platform, path_, options_, Progress(), &engine), "opening for the last time");
  Compactor compactor(*engine);
  compactor.begin(Compactor::Goal::kAll);
  for (Compactor::Next next = Compactor::Next::kMore; next != Compactor::Next::kDone;) {
    must(compactor.step(1 << 20, &next), "the last compaction");
    if (next == Compactor::Next::kNeedsSync) must(SyncMachine(*engine).run(), "a sync point");
  }
  must(SyncMachine(*engine).run(true), "closing");
  const Stats stats = engine->stats();
  const uint64_t used = stats.file_size - stats.free_bytes;
  const uint64_t needed = stats.live_bytes + stats.slack_bytes;
  tally_.largest_rest = std::max(tally_.largest_rest, used);
  if (used > needed + needed / 2 + uint64_t{4} * stats.segment_size) {
    fail("compacted, " + std::to_string(used) + " bytes are in use for " + std::to_string(needed));
  }
}

void Chain::fail(const std::string& what) const {
  const uint32_t last = shared_.last_step.load();
  die(std::string(setting_.name) + ", seed " + std::to_string(seed_) + ", kill " + std::to_string(tally_.kills) +
      (setting_.by_step ? ", last step " + std::to_string(last) : std::string()) + ": " + what + " (" + path_ +
      " is left as it was found)");
}

}  // namespace mmcb::harness::killing
