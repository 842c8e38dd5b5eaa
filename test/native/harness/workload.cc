#include "harness/workload.h"

#include <algorithm>

namespace mmcb::harness {

Workload::Workload(const Profile& profile, uint64_t seed, SimulatedDisk& disk, World& world, Counters& counters)
    : profile_(profile), random_(seed ^ 0x3017), disk_(disk), platform_(disk), world_(world), counters_(counters) {}

void Workload::act() {
  counters_.calls++;
  mutation.forget_store();
  const uint64_t roll = random_.below(1000);
  const bool crowded = world_.oracle.current().named.size() > profile_.names;
  // One allocation in a while meets a full disk.
  if (profile_.faults && random_.one_in(100)) disk_.fail_allocate_in(1);
  uint64_t below = 0;
  const auto is = [&](uint64_t share) { return roll < (below += share); };
  if (is(profile_.batches)) {
    batch();
  } else if (is(profile_.clears)) {
    clear();
  } else if (is(profile_.syncs)) {
    sync_notch();
  } else if (is(profile_.compactions)) {
    compaction_notch();
  } else if (is(profile_.closings)) {
    close_and_open();
  } else if (is(profile_.faults ? profile_.failing_syncs : 0)) {
    fail_a_sync();
  } else if (is(15)) {
    snapshots_.size() < 3 ? open_snapshot() : close_snapshots();
  } else if (is(10)) {
    check_snapshot();
  } else if (is(profile_.views)) {
    view_.pin == nullptr ? open_view() : close_view();
  } else if (is(10)) {
    verify();
  } else if (is(70)) {
    remove();
  } else if (is(40)) {
    erase();
  } else if (is(150)) {
    crowded ? erase() : set();
  } else if (is(120)) {
    crowded ? remove() : add();
  } else {
    update();
  }
  disk_.fail_allocate_in(0);
  if (!disk_.violation().empty()) fail("the engine broke a rule of the platform: " + disk_.violation());
}

// ---- Opening and closing -------------------------------------------------------------------------------------------------

void Workload::open(bool clean) {
  world_.recovering = true;
  world_.phase = kOpeningPhase;
  mutation.activity = disk_.size() == 0 ? Activity::kCreating : Activity::kOpening;
  if (profile_.faults && random_.one_in(30)) {
    world_.failing = true;
    disk_.fail_sync_in(random_.between(1, 4));
  }
  const Status status = Engine::open(platform_, "file", profile_.options, Progress(), &engine_);
  disk_.fail_sync_in(0);
  if (!status.ok() && world_.failing) go_down();
  if (!status.ok()) fail(std::string("open() refused: ") + code_name(status.code()) + " " + status.message());
  const RecoveryReport& report = engine_->recovery();
  if (clean && report.status != RecoveryStatus::kClean) fail("a file closed in order did not open as clean");
  verify();
  const Stats stats = engine_->stats();
  if (stats.durable_epoch < world_.oracle.durable_epoch()) fail("the durable epoch has gone back");
  if (stats.open_epoch <= world_.oracle.highest_epoch()) fail("an epoch number is used a second time");
  // The epoch gone by is on the disk now, whether or not its own sync point ever finished; recovery may have added one.
  world_.oracle.made_durable(std::max(report.durable_epoch, world_.oracle.durable_epoch()));
  world_.oracle.made_durable(stats.durable_epoch);
  epoch_ = stats.open_epoch;
  world_.unconfirmed = report.status == RecoveryStatus::kReplayed && (world_.unconfirmed || world_.syncing_at_once);
  world_.syncing_at_once = false;
  world_.failed_epoch = 0;
  world_.recovering = world_.syncing = world_.superblock_stored = world_.failing = world_.undone = false;
  world_.phase = 0;
  mutation.activity = Activity::kRunning;
  machine_ = std::make_unique<SyncMachine>(*engine_);
}

void Workload::abandon() {
  compactor_.reset();
  machine_.reset();
  snapshots_.clear();
  view_.pin = nullptr;
  engine_.reset();
  making_room_ = in_machine_ = false;
}

void Workload::close_and_open() {
  close_snapshots();
  close_view();
  compactor_.reset();
  sync_all();
  mutation.activity = Activity::kClosing;
  begin_sync(true);
  sync_all();
  machine_.reset();
  // A full disk costs the tables and nothing else.
  if (profile_.faults && random_.one_in(10)) disk_.fail_allocate_in(1);
  (void)SavedTables(*engine_).save();
  disk_.fail_allocate_in(0);
  engine_.reset();
  counters_.clean_reopenings++;
  open(true);
}

void Workload::verify() {
  Contents contents;
  std::string wrong = read_contents(*engine_, false, &contents);
  if (wrong.empty()) wrong = difference(contents, world_.oracle.current());
  if (wrong.empty()) wrong = check_stats(*engine_, contents);
  if (!wrong.empty()) fail(wrong);
}

// ---- Sync points ---------------------------------------------------------------------------------------------------------

void Workload::begin_sync(bool closing) {
  in_machine_ = true;
  const auto order = random_.one_in(2) ? SyncMachine::Order::kAtOnce : SyncMachine::Order::kDataFirst;
  const Status status = machine_->begin(closing, order);
  in_machine_ = false;
  if (!status.ok()) fail(std::string("SyncMachine::begin(): ") + code_name(status.code()) + " " + status.message());
  world_.syncing = true;
  world_.syncing_epoch = machine_->epoch();
  world_.superblock_stored = false;
  world_.syncing_at_once = machine_->is_at_once();
  world_.phase = static_cast<size_t>(machine_->phase());
  epoch_ = engine_->stats().open_epoch;
}

Status Workload::step_machine() {
  if (disk_.sync_begun()) disk_.honour_begun_sync();
  in_machine_ = true;
  mutation.forget_store();  // the sync thread's stores are no part of a call's
  Status status = machine_->step();
  mutation.forget_store();
  in_machine_ = false;
  world_.phase = static_cast<size_t>(machine_->phase());
  return status;
}

bool Workload::sync_beside_call() {
  using Phase = SyncMachine::Phase;
  if (in_machine_ || machine_ == nullptr || world_.recovering || world_.failing) return false;
  const Phase phase = machine_->phase();
  if (phase != Phase::kDataSync && phase != Phase::kSuperblockStore && phase != Phase::kSuperblockSync) return false;
  const Status status = step_machine();
  if (!status.ok()) fail(std::string("SyncMachine::step(): ") + code_name(status.code()) + " " + status.message());
  return true;
}

void Workload::sync_notch() {
  using Phase = SyncMachine::Phase;
  if (machine_->phase() == Phase::kIdle) {
    begin_sync(false);
  } else {
    const uint64_t epoch = machine_->epoch();
    const Status status = step_machine();
    if (!status.ok()) fail(std::string("SyncMachine::step(): ") + code_name(status.code()) + " " + status.message());
    if (machine_->phase() == Phase::kIdle) {
      world_.oracle.made_durable(epoch);
      world_.unconfirmed = world_.syncing_at_once;
      world_.syncing = world_.superblock_stored = false;
      compaction_waits_ = false;
      return;
    }
  }
  // A sync phase comes next: it may have started long before it ends.
  if ((machine_->phase() == Phase::kDataSync || machine_->phase() == Phase::kSuperblockSync) && random_.one_in(2)) {
    disk_.begin_sync();
  }
}

void Workload::sync_all() {
  while (machine_->phase() != SyncMachine::Phase::kIdle) sync_notch();
}

// The disk fails under a sync point. Nothing is written any more, the process ends, and the file goes back to the last
// sync point, whatever the page cache shows.
void Workload::fail_a_sync() {
  if (mutation.removes_sync()) return;  // it might be the one that fails
  sync_all();
  counters_.failed_syncs++;
  world_.failing = true;
  begin_sync(false);
  disk_.fail_sync_in(random_.between(1, world_.syncing_at_once ? 1 : 2));
  Status status;
  while (status.ok() && machine_->phase() != SyncMachine::Phase::kIdle) status = step_machine();
  if (status.ok()) fail("a sync point succeeded although the disk failed");
  if (engine_->failure().ok()) fail("failure() is ok after a failed sync");
  Address address;
  if (engine_->add({}, &address).code() != Code::kFailed) fail("a write after a failed sync is not refused");
  go_down();
}

void Workload::go_down() {
  Crash crash{Crash::Kind::kFailedSync, Image()};
  disk_.make_evicted_image(&crash.image);
  disk_.die();
  throw crash;
}

// ---- Compaction ------------------------------------------------------------------------------------------------------------

void Workload::compaction_notch() {
  if (compactor_ == nullptr) {
    compactor_ = std::make_unique<Compactor>(*engine_);
    compactor_->begin(random_.one_in(3) ? Compactor::Goal::kAll : Compactor::Goal::kGarbage);
    compaction_waits_ = false;
    return;
  }
  if (compaction_waits_) return sync_notch();
  Compactor::Next next = Compactor::Next::kDone;
  const Status status = compactor_->step(random_.between(1, 4096), &next);
  if (!status.ok()) {
    if (status.code() != Code::kFull && status.code() != Code::kNoSpace) {
      fail(std::string("Compactor::step(): ") + code_name(status.code()) + " " + status.message());
    }
    compactor_.reset();
  } else if (next == Compactor::Next::kDone) {
    compactor_.reset();
  } else {
    compaction_waits_ = next == Compactor::Next::kNeedsSync;
  }
}

// Everything that can be free is free afterwards.
bool Workload::compact_all() {
  close_snapshots();
  close_view();
  sync_all();
  compactor_ = std::make_unique<Compactor>(*engine_);
  compactor_->begin(Compactor::Goal::kAll);
  bool complete = false;
  for (int rounds = 0;; rounds++) {
    if (rounds > 100'000) fail("compaction does not come to an end");
    Compactor::Next next = Compactor::Next::kDone;
    const Status status = compactor_->step(1 << 16, &next);
    if (!status.ok()) break;  // no room to move anything: what is free is free
    complete = next == Compactor::Next::kDone;
    if (complete) break;
    if (next == Compactor::Next::kMore) continue;
    begin_sync(false);
    sync_all();
  }
  compactor_.reset();
  begin_sync(false);
  sync_all();
  return complete;
}

// ---- Readers ----------------------------------------------------------------------------------------------------------------

void Workload::open_view() {
  Held held;
  if (!any_name(world_.oracle.current(), &view_.name, &held)) return;
  ReaderPin* const pin = engine_->pins().add_reader();
  pin->pin();
  const Status status = engine_->view(*pin, Address::from_integer(held.address), &view_.bytes);
  if (!status.ok()) fail(std::string("view(): ") + code_name(status.code()) + " " + status.message());
  view_.pin = pin;
  view_.value = held.value;
}

// Whatever became of the entry and its segment meanwhile.
void Workload::close_view() {
  if (view_.pin == nullptr) return;
  if (!is_value(view_.value, view_.bytes.data(), view_.bytes.size())) {
    fail("what a pinned reader looks at, " + to_string(view_.name) + ", has changed");
  }
  view_.pin->unpin();
  engine_->pins().remove_reader(view_.pin);
  view_.pin = nullptr;
}

// ---- Snapshots -------------------------------------------------------------------------------------------------------------

void Workload::open_snapshot() {
  Watched watched;
  const Status status = engine_->open_snapshot(&watched.snapshot);
  if (!status.ok()) fail(std::string("open_snapshot(): ") + code_name(status.code()));
  Contents contents;
  if (std::string wrong = read_contents(*engine_, false, &contents); !wrong.empty()) fail(wrong);
  for (const Contents::Entry& entry : contents.entries) {
    watched.versions.emplace_back(entry.offset, world_.oracle.current().named.at(entry.name).value);
  }
  if (watched.snapshot.count != watched.versions.size()) fail("a snapshot counts other than the iteration");
  epoch_ = engine_->stats().open_epoch;
  snapshots_.push_back(std::move(watched));
}

void Workload::check_snapshot() {
  if (snapshots_.empty()) return;
  const Watched& watched = snapshots_[random_.below(snapshots_.size())];
  for (const auto& [offset, value] : watched.versions) {
    std::vector<std::byte> bytes(value.length + 1);
    uint64_t copied = 0;
    const Status status = engine_->read_version(offset, 0, bytes, &copied);
    if (!status.ok()) fail("a version of an open snapshot cannot be read: " + std::string(code_name(status.code())));
    if (!is_value(value, bytes.data(), copied)) fail("a version of an open snapshot has changed");
  }
}

void Workload::close_snapshots() {
  check_snapshot();
  for (const Watched& watched : snapshots_) engine_->close_snapshot(watched.snapshot);
  snapshots_.clear();
}

}  // namespace mmcb::harness
