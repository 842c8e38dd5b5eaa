#include "core/shared_store.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "core/saved_tables.h"
#include "core/sync_machine.h"

namespace mmcb {
namespace {

using Clock = std::chrono::steady_clock;

// A writer held up for want of space waits this long at most in one call; then the file grows.
constexpr auto kPatience = std::chrono::milliseconds(500);
// One whose update finds no space in a file that may not grow waits this long: it would be refused only because the disk is slow.
constexpr auto kLastPatience = std::chrono::seconds(10);
constexpr uint64_t kCompactionStep = 1 << 20;
// A sync point waits this share of what the last one took for those it has served, at most so long.
constexpr int kGatherShare = 8;
constexpr auto kLongestGathering = std::chrono::milliseconds(1);
constexpr size_t kNever = ~size_t{0};
// Milliseconds that compaction waits for a reader that lost its processor in the middle of a call.
constexpr int kReaderWaits = 100;
constexpr auto kTrimInterval = std::chrono::milliseconds(500);

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Status SharedStore::start() {
  if (engine_->options().read_only) return Status();
  Platform& platform = engine_->platform();
  if (!volatile_) MMCB_TRY(platform.start_thread([this] { sync_loop(); }, &sync_thread_));
  engine_->set_space_listener(this);
  return platform.start_thread([this] { maintenance_loop(); }, &maintenance_thread_);
}

void SharedStore::flush(Store::Done done) {
  if (volatile_ || engine_->options().read_only) {
    done(Status());
    return;
  }
  bool is_wanted = false;
  Status status = guarded([&] {
    std::lock_guard guard(mutex_);
    waiting_.push_back(std::move(done));
    is_wanted = waiting_.size() >= wake_at_;
    return Status();
  });
  if (!status.ok()) {
    done(status);
    return;
  }
  if (is_wanted) sync_wake_.notify_one();
}

Status SharedStore::flush() {
  return guarded([&] { return flush_now(); });
}

Status SharedStore::flush_now() {
  Status outcome;
  bool finished = false;
  std::mutex mutex;
  std::condition_variable ready;
  flush([&](const Status& status) {
    std::lock_guard guard(mutex);
    outcome = status;
    finished = true;
    ready.notify_one();
  });
  std::unique_lock lock(mutex);
  ready.wait(lock, [&] { return finished; });
  return outcome;
}

Status SharedStore::compact(Compactor::Goal goal, const Progress& progress, CompactionReport* report) {
  const std::lock_guard one_at_a_time(compaction_mutex_);
  if (engine_->options().read_only) return Status(Code::kReadOnly, "the store was opened with readOnly");
  const auto started = Clock::now();
  compactor_.begin(goal);
  Status status;
  for (;;) {
    Compactor::Next next;
    status = compactor_.step(kCompactionStep, &next);
    if (!status.ok() || next == Compactor::Next::kDone) break;
    if (next == Compactor::Next::kNeedsSync) {
      status = flush();
      if (!status.ok()) break;
      await_readers();
      if (!engine_->is_space_short()) relieve();
    }
    if (progress && !progress("compact", compactor_.done_bytes(), compactor_.total_bytes())) {
      status = Status(Code::kAborted);
      break;
    }
  }
  if (!status.ok()) compactor_.abandon();
  if (status.ok() && progress) progress("compact", compactor_.total_bytes(), compactor_.total_bytes());
  *report = compactor_.report();
  report->milliseconds = milliseconds_since(started);
  if (status.ok() && report->freed_segments != 0) {
    StoreEvent event;
    event.type = StoreEvent::Type::kCompaction;
    event.milliseconds = report->milliseconds;
    event.compaction = *report;
    emit(event);
  }
  return status;
}

Status SharedStore::shut_down() {
  if (engine_ == nullptr) return Status();
  // Maintenance first: it may still be waiting for a sync point.
  stop(&stopping_maintenance_, &maintenance_wake_, &maintenance_thread_);
  stop(&stopping_sync_, &sync_wake_, &sync_thread_);
  Status status;
  if (!volatile_ && !engine_->options().read_only) {
    engine_->set_space_listener(nullptr);
    status = engine_->failure();
    if (status.ok()) {
      status = SyncMachine(*engine_).run(true);
      if (status.ok()) (void)engine_->trim(false);
      if (status.ok()) (void)SavedTables(*engine_).save();
    }
  }
  engine_.reset();
  return status;
}

uint64_t SharedStore::add_listener(Store::Listener listener) {
  uint64_t id = 0;
  const Status status = guarded([&] {
    std::lock_guard guard(listeners_mutex_);
    id = ++last_listener_;
    listeners_.emplace(id, std::move(listener));
    return Status();
  });
  return status.ok() ? id : 0;
}

void SharedStore::remove_listener(uint64_t id) {
  std::lock_guard guard(listeners_mutex_);
  listeners_.erase(id);
}

void SharedStore::wait_for_space() {
  std::unique_lock lock(mutex_);
  space_wake_.wait_for(lock, kPatience, [&] { return stopping_maintenance_ || !engine_->is_throttled(); });
}

bool SharedStore::make_space() {
  if (volatile_) return false;
  std::unique_lock lock(mutex_);
  const uint64_t before = update_spaces_;
  wants_update_space_ = true;
  maintenance_wake_.notify_one();
  space_wake_.wait_for(lock, kLastPatience, [&] { return stopping_maintenance_ || update_spaces_ != before; });
  return update_spaces_ != before;
}

void SharedStore::stop(bool* flag, std::condition_variable* wake, std::unique_ptr<Thread>* thread) {
  {
    std::lock_guard guard(mutex_);
    *flag = true;
  }
  wake->notify_all();
  space_wake_.notify_all();
  if (*thread != nullptr) (*thread)->join();
  thread->reset();
}

void SharedStore::ask_for(bool* wish) {
  {
    std::lock_guard guard(mutex_);
    *wish = true;
  }
  maintenance_wake_.notify_one();
}

bool SharedStore::is_stopping() {
  std::lock_guard guard(mutex_);
  return stopping_maintenance_;
}

void SharedStore::emit(const StoreEvent& event) {
  std::lock_guard guard(listeners_mutex_);
  for (const auto& registered : listeners_) {
    // An event that there is no memory for is lost. What it tells of is not: the next call finds out.
    (void)guarded([&] {
      registered.second(event);
      return Status();
    });
  }
}

void SharedStore::emit_error(Status status) {
  StoreEvent event;
  event.type = StoreEvent::Type::kError;
  event.error = std::move(status);
  emit(event);
}

void SharedStore::relieve() {
  if (!engine_->is_throttled()) return;
  std::lock_guard guard(mutex_);
  engine_->set_throttled(false);
  space_wake_.notify_all();
}

void SharedStore::gather(std::unique_lock<std::mutex>& lock) {
  if (waiting_.empty()) return;
  wake_at_ = crowd_;
  sync_wake_.wait_until(lock, gather_until_, [&] { return stopping_sync_ || waiting_.size() >= crowd_; });
}

void SharedStore::sync_loop() {
  const bool periodic = engine_->options().durability == Durability::kInterval;
  const auto interval = std::chrono::milliseconds(engine_->options().sync_interval_ms);
  auto next_trim = Clock::now();
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto wanted = [&] { return stopping_sync_ || !waiting_.empty(); };
    wake_at_ = 1;
    if (periodic) {
      sync_wake_.wait_for(lock, interval, wanted);
    } else {
      sync_wake_.wait(lock, wanted);
    }
    if (stopping_sync_ && waiting_.empty()) return;
    gather(lock);
    wake_at_ = kNever;  // whoever comes now is found when this is done
    std::vector<Store::Done> served;
    served.swap(waiting_);
    lock.unlock();
    const auto started = Clock::now();
    Status status = engine_->refusal();
    if (status.ok()) {
      if (engine_->has_unsynced_changes() || (unconfirmed_ && served.empty())) {
        status = sync(!served.empty());
      } else if (!served.empty()) {
        // "It is on the disk" is not said of a file that has been cut short since.
        status = engine_->check_file_size();
      }
    }
    const auto finished = Clock::now();
    lock.lock();
    crowd_ = served.size() + waiting_.size();
    gather_until_ = finished + std::min<Clock::duration>((finished - started) / kGatherShare, kLongestGathering);
    lock.unlock();
    for (const Store::Done& done : served) done(status);
    if (status.ok() && Clock::now() >= next_trim) {
      (void)engine_->trim(true);
      next_trim = Clock::now() + kTrimInterval;
    }
    lock.lock();
  }
}

void SharedStore::await_readers() {
  std::unique_lock lock(mutex_);
  for (int i = 0; i < kReaderWaits && !stopping_maintenance_; i++) {
    lock.unlock();
    const bool waits = engine_->waits_for_readers();
    lock.lock();
    if (!waits) return;
    space_wake_.wait_for(lock, std::chrono::milliseconds(1));
  }
}

Status SharedStore::sync(bool is_awaited) {
  const auto started = Clock::now();
  SyncMachine machine(*engine_);
  Status status = machine.run(false, is_awaited ? SyncMachine::Order::kAtOnce : SyncMachine::Order::kDataFirst);
  if (status.ok()) {
    unconfirmed_ = machine.is_at_once();
    StoreEvent event;
    event.epoch = machine.epoch();
    event.milliseconds = milliseconds_since(started);
    emit(event);
    report_deletion();
  } else {
    emit_error(status);
  }
  return status;
}

void SharedStore::report_deletion() {
  if (told_of_deletion_ || !engine_->is_deleted()) return;
  told_of_deletion_ = true;
  emit_error(describe(Code::kIo, ENOENT, engine_->path(),
                      ": the file was deleted or replaced while it is open; what it holds is gone once it is closed: "
                      "use backup() to keep it"));
}

void SharedStore::maintenance_loop() {
  const Options& options = engine_->options();
  const auto interval = std::chrono::milliseconds(options.compaction_interval_ms);
  auto next_check = Clock::now() + interval;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto wanted = [&] { return stopping_maintenance_ || wants_prefault_ || wants_space_ || wants_update_space_; };
    if (options.compaction == CompactionPolicy::kDisabled) {
      maintenance_wake_.wait(lock, wanted);
    } else {
      maintenance_wake_.wait_until(lock, next_check, wanted);
    }
    if (stopping_maintenance_) return;
    const bool prefault = std::exchange(wants_prefault_, false);
    const bool make_space = std::exchange(wants_space_, false);
    const bool make_update_space = std::exchange(wants_update_space_, false);
    lock.unlock();
    if (prefault && !volatile_) engine_->prefault();
    if (make_space) run_policy(Compactor::Goal::kPressure);
    if (make_update_space) {
      // What was emptied is free with a sync point. Beyond that it is for compaction, where it may choose when to run.
      (void)flush();
      if (options.compaction == CompactionPolicy::kSpace) run_policy(Compactor::Goal::kShortage);
    }
    if (options.compaction != CompactionPolicy::kDisabled && Clock::now() >= next_check) {
      check_policy();
      next_check = Clock::now() + interval;
    }
    lock.lock();
    if (make_update_space) {
      update_spaces_++;
      space_wake_.notify_all();
    }
  }
}

void SharedStore::check_policy() {
  if (!engine_->refusal().ok()) return;
  if (const auto goal = trigger_.ask(engine_->options(), engine_->stats())) run_policy(*goal);
}

void SharedStore::run_policy(Compactor::Goal goal) {
  CompactionReport report;
  Status status;
  // Its victims would stay until the snapshot is closed: later.
  if (engine_->has_snapshots()) {
    relieve();
    return;
  }
  do {
    status = compact(
        goal, [this](const char*, uint64_t, uint64_t) { return !is_stopping(); }, &report);
  } while (status.ok() && goal == Compactor::Goal::kPressure && report.freed_segments != 0 &&
           engine_->is_space_short());
  relieve();
  if (!status.ok() && status.code() != Code::kAborted) emit_error(status);
}

}  // namespace mmcb
