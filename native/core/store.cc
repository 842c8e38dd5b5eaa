#include "core/store.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "core/backup.h"
#include "core/compactor.h"
#include "core/platform/memory_platform.h"
#include "core/platform/posix_platform.h"
#include "core/sync_machine.h"
#include "core/verify.h"

namespace mmcb {
namespace {

using Clock = std::chrono::steady_clock;

// A writer held up for want of space waits this long at most in one call; then the file grows.
constexpr auto kPatience = std::chrono::milliseconds(500);
constexpr uint64_t kCompactionStep = 1 << 20;
constexpr auto kTrimInterval = std::chrono::milliseconds(500);

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The one engine of a file in this process, with its threads.
class SharedStore final : public SpaceListener {
 public:
  SharedStore(std::unique_ptr<Engine> engine, bool is_volatile)
      : engine_(std::move(engine)), volatile_(is_volatile), compactor_(*engine_) {}
  ~SharedStore() override { (void)shut_down(); }

  Status start() {
    if (engine_->options().read_only) return Status();
    Platform& platform = posix_platform();
    if (!volatile_) MMCB_TRY(platform.start_thread([this] { sync_loop(); }, &sync_thread_));
    engine_->set_space_listener(this);
    return platform.start_thread([this] { maintenance_loop(); }, &maintenance_thread_);
  }

  Engine& engine() { return *engine_; }

  void flush(Store::Done done) {
    if (volatile_ || engine_->options().read_only) {
      done(Status());
      return;
    }
    {
      std::lock_guard guard(mutex_);
      waiting_.push_back(std::move(done));
    }
    sync_wake_.notify_one();
  }

  Status flush() {
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

  Status compact(Compactor::Goal goal, const Progress& progress, CompactionReport* report) {
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
        if (!engine_->is_space_short()) relieve();
      }
      if (progress && !progress("compact", compactor_.done_bytes(), compactor_.total_bytes())) {
        status = Status(Code::kAborted);
        break;
      }
    }
    if (!status.ok()) compactor_.abandon();
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

  // Stops the threads, makes the last sync point. Idempotent.
  Status shut_down() {
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
      }
    }
    engine_.reset();
    return status;
  }

  uint64_t add_listener(Store::Listener listener) {
    std::lock_guard guard(listeners_mutex_);
    listeners_.emplace(++last_listener_, std::move(listener));
    return last_listener_;
  }
  void remove_listener(uint64_t id) {
    std::lock_guard guard(listeners_mutex_);
    listeners_.erase(id);
  }

  // ---- SpaceListener ----
  void segment_taken() override { ask_for(&wants_prefault_); }
  void space_short() override { ask_for(&wants_space_); }
  void wait_for_space() override {
    std::unique_lock lock(mutex_);
    space_wake_.wait_for(lock, kPatience, [&] { return stopping_maintenance_ || !engine_->is_throttled(); });
  }

 private:
  void stop(bool* flag, std::condition_variable* wake, std::unique_ptr<Thread>* thread) {
    {
      std::lock_guard guard(mutex_);
      *flag = true;
    }
    wake->notify_all();
    space_wake_.notify_all();
    if (*thread != nullptr) (*thread)->join();
    thread->reset();
  }

  void ask_for(bool* wish) {
    {
      std::lock_guard guard(mutex_);
      *wish = true;
    }
    maintenance_wake_.notify_one();
  }

  bool is_stopping() {
    std::lock_guard guard(mutex_);
    return stopping_maintenance_;
  }

  void emit(const StoreEvent& event) {
    std::lock_guard guard(listeners_mutex_);
    for (const auto& [id, listener] : listeners_) listener(event);
  }

  void emit_error(Status status) {
    StoreEvent event;
    event.type = StoreEvent::Type::kError;
    event.error = std::move(status);
    emit(event);
  }

  // Lets held-up writers go on.
  void relieve() {
    if (!engine_->is_throttled()) return;
    std::lock_guard guard(mutex_);
    engine_->set_throttled(false);
    space_wake_.notify_all();
  }

  void sync_loop() {
    const bool periodic = engine_->options().durability == Durability::kInterval;
    const auto interval = std::chrono::milliseconds(engine_->options().sync_interval_ms);
    auto next_trim = Clock::now();
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto wanted = [&] { return stopping_sync_ || !waiting_.empty(); };
      if (periodic) {
        sync_wake_.wait_for(lock, interval, wanted);
      } else {
        sync_wake_.wait(lock, wanted);
      }
      if (stopping_sync_ && waiting_.empty()) return;
      std::vector<Store::Done> served;
      served.swap(waiting_);
      lock.unlock();
      Status status = engine_->failure();
      if (!status.ok()) {
        status = Status(Code::kFailed, "a sync failed earlier: " + status.message(), status.system_error());
      } else if (engine_->has_unsynced_changes()) {
        status = sync();
      }
      for (const Store::Done& done : served) done(status);
      if (status.ok() && Clock::now() >= next_trim) {
        (void)engine_->trim(true);
        next_trim = Clock::now() + kTrimInterval;
      }
      lock.lock();
    }
  }

  Status sync() {
    const auto started = Clock::now();
    SyncMachine machine(*engine_);
    Status status = machine.run();
    if (status.ok()) {
      StoreEvent event;
      event.epoch = machine.epoch();
      event.milliseconds = milliseconds_since(started);
      emit(event);
    } else {
      emit_error(status);
    }
    return status;
  }

  void maintenance_loop() {
    const Options& options = engine_->options();
    const auto interval = std::chrono::milliseconds(options.compaction_interval_ms);
    auto next_check = Clock::now() + interval;
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto wanted = [&] { return stopping_maintenance_ || wants_prefault_ || wants_space_; };
      if (options.compaction == CompactionPolicy::kDisabled) {
        maintenance_wake_.wait(lock, wanted);
      } else {
        maintenance_wake_.wait_until(lock, next_check, wanted);
      }
      if (stopping_maintenance_) return;
      const bool prefault = std::exchange(wants_prefault_, false);
      const bool make_space = std::exchange(wants_space_, false);
      lock.unlock();
      if (prefault && !volatile_) engine_->prefault();
      if (make_space) run_policy(Compactor::Goal::kPressure);
      if (options.compaction != CompactionPolicy::kDisabled && Clock::now() >= next_check) {
        check_policy();
        next_check = Clock::now() + interval;
      }
      lock.lock();
    }
  }

  void check_policy() {
    const Options& options = engine_->options();
    const Stats stats = engine_->stats();
    if (options.compaction == CompactionPolicy::kTime) {
      if (stats.garbage_bytes != 0) run_policy(Compactor::Goal::kGarbage);
      return;
    }
    const auto file = static_cast<double>(stats.file_size);
    const auto garbage = static_cast<double>(stats.garbage_bytes);
    const auto free = static_cast<double>(stats.free_bytes);
    if (garbage >= options.deletion_threshold * (file - free) && free < options.required_free_space * file) {
      run_policy(Compactor::Goal::kGarbage);
    } else if (stats.segments > kSmallFile && garbage + free > kShrinkShare * file && stats.removes != shrunk_at_) {
      // Most of the file serves nobody: move what lives to its front and cut the rest off. Once per state of the file, in
      // case something (a snapshot, a long run) stands in the way.
      shrunk_at_ = stats.removes;
      run_policy(Compactor::Goal::kAll);
    }
  }

  void run_policy(Compactor::Goal goal) {
    CompactionReport report;
    Status status;
    do {
      status = compact(
          goal, [this](const char*, uint64_t, uint64_t) { return !is_stopping(); }, &report);
    } while (status.ok() && goal == Compactor::Goal::kPressure && report.freed_segments != 0 &&
             engine_->is_space_short());
    relieve();
    if (!status.ok() && status.code() != Code::kAborted) emit_error(status);
  }

  static constexpr uint64_t kSmallFile = 8;        // segments
  static constexpr double kShrinkShare = 2.0 / 3;  // of the file
  uint64_t shrunk_at_ = ~0ull;

  std::unique_ptr<Engine> engine_;
  const bool volatile_;
  std::mutex compaction_mutex_;
  Compactor compactor_;  // under compaction_mutex_

  std::mutex
      mutex_;  // guards waiting_ and the flags below; taken under the engine's write lock, never the other way round
  std::condition_variable sync_wake_;
  std::condition_variable maintenance_wake_;
  std::condition_variable space_wake_;
  std::vector<Store::Done> waiting_;
  bool stopping_maintenance_ = false;
  bool stopping_sync_ = false;
  bool wants_prefault_ = false;
  bool wants_space_ = false;
  std::unique_ptr<Thread> sync_thread_;
  std::unique_ptr<Thread> maintenance_thread_;

  std::mutex listeners_mutex_;
  std::map<uint64_t, Store::Listener> listeners_;
  uint64_t last_listener_ = 0;
};

// ---- Registry ---------------------------------------------------------------------------------------------------------------------------

struct IdentityOrder {
  bool operator()(const FileIdentity& a, const FileIdentity& b) const {
    return a.device != b.device ? a.device < b.device : a.inode < b.inode;
  }
};

// One per process: which files are open, by device and inode, so that a symbolic link or another worker leads to the same
// engine. A file that is being opened or closed is waited for.
class Registry {
 public:
  static Registry& instance() {
    static auto* registry = new Registry;  // never destroyed: workers may outlive static destruction
    return *registry;
  }

  Status open(const std::string& path, const Options& options, const Progress& progress,
              std::shared_ptr<SharedStore>* store, FileIdentity* identity) {
    Platform& platform = posix_platform();
    std::unique_ptr<File> file;
    MMCB_TRY(platform.open(path, options.read_only ? OpenMode::kReadOnly : OpenMode::kReadWrite, &file));
    *identity = file->identity();
    {
      std::unique_lock lock(mutex_);
      for (;;) {
        const auto found = open_.find(*identity);
        if (found == open_.end()) break;
        if (found->second.store != nullptr) {
          if (!options.read_only && found->second.store->engine().options().read_only) {
            return Status(Code::kReadOnly, path + " is open read-only in this process; close it there first");
          }
          found->second.users++;
          *store = found->second.store;
          return Status();
        }
        changed_.wait(lock);
      }
      open_.emplace(*identity, Entry{});
    }
    std::unique_ptr<Engine> engine;
    Status status = Engine::open(platform, path, std::move(file), options, progress, &engine);
    std::shared_ptr<SharedStore> fresh;
    if (status.ok()) {
      fresh = std::make_shared<SharedStore>(std::move(engine), false);
      status = fresh->start();
    }
    const std::lock_guard guard(mutex_);
    if (status.ok()) {
      open_[*identity] = Entry{fresh, 1};
      *store = fresh;
    } else {
      open_.erase(*identity);
    }
    changed_.notify_all();
    return status;
  }

  Status close(const FileIdentity& identity) {
    std::shared_ptr<SharedStore> last;
    {
      const std::lock_guard guard(mutex_);
      Entry& entry = open_[identity];
      if (--entry.users != 0) return Status();
      last = std::move(entry.store);
      entry.store = nullptr;
    }
    Status status = last->shut_down();
    last.reset();
    const std::lock_guard guard(mutex_);
    open_.erase(identity);
    changed_.notify_all();
    return status;
  }

 private:
  struct Entry {
    std::shared_ptr<SharedStore> store;  // null: being opened or closed
    uint64_t users = 0;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<FileIdentity, Entry, IdentityOrder> open_;
};

// One opener's hold on a shared store.
class Lease final : public Store {
 public:
  Lease(std::shared_ptr<SharedStore> shared, FileIdentity identity, bool registered)
      : shared_(std::move(shared)), identity_(identity), registered_(registered) {}
  ~Lease() override { (void)Lease::close(); }

  Status close() override {
    std::shared_ptr<SharedStore> shared = std::move(shared_);
    if (shared == nullptr) return Status();
    if (!registered_) return shared->shut_down();
    shared.reset();
    return Registry::instance().close(identity_);
  }

  Engine& engine() override { return shared_->engine(); }
  void flush(Done done) override { shared_->flush(std::move(done)); }
  Status flush() override { return shared_->flush(); }
  Status compact(const Progress& progress, CompactionReport* report) override {
    return shared_->compact(Compactor::Goal::kAll, progress, report);
  }
  Status verify(const Progress& progress, VerifyReport* report) override {
    return Verifier(shared_->engine()).run(progress, report);
  }
  Status backup(const std::string& target, bool overwrite, const Progress& progress) override {
    return Backup(shared_->engine(), posix_platform()).run(target, overwrite, progress);
  }
  uint64_t add_listener(Listener listener) override { return shared_->add_listener(std::move(listener)); }
  void remove_listener(uint64_t id) override { shared_->remove_listener(id); }

 private:
  std::shared_ptr<SharedStore> shared_;
  const FileIdentity identity_;
  const bool registered_;
};

}  // namespace

Status Store::open(const std::string& path, const Options& options, const Progress& progress,
                   std::shared_ptr<Store>* store) {
  if (path == ":memory:") {
    std::unique_ptr<Engine> engine;
    MMCB_TRY(Engine::open(memory_platform(), path, options, progress, &engine));
    auto shared = std::make_shared<SharedStore>(std::move(engine), true);
    MMCB_TRY(shared->start());
    *store = std::make_shared<Lease>(std::move(shared), FileIdentity{}, false);
    return Status();
  }
  std::shared_ptr<SharedStore> shared;
  FileIdentity identity;
  MMCB_TRY(Registry::instance().open(path, options, progress, &shared, &identity));
  *store = std::make_shared<Lease>(std::move(shared), identity, true);
  return Status();
}

}  // namespace mmcb
