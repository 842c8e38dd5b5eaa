#include "core/store.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "core/backup.h"
#include "core/platform/memory_platform.h"
#include "core/platform/posix_platform.h"
#include "core/shared_store.h"
#include "core/verify.h"

namespace mmcb {
namespace {

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

  // Throws std::bad_alloc; nothing is open or registered then.
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
    std::shared_ptr<SharedStore> fresh;
    Status status = guarded([&]() -> Status {
      std::unique_ptr<Engine> engine;
      MMCB_TRY(Engine::open(platform, path, std::move(file), options, progress, &engine));
      fresh = std::make_shared<SharedStore>(std::move(engine), false);
      return fresh->start();
    });
    // Closed before anybody waiting may try: the file is locked until then.
    if (!status.ok()) fresh.reset();
    file.reset();
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
  // Made before there is anything to hold: what is open already must not be lost for want of memory.
  Lease() = default;
  ~Lease() override { (void)Lease::close(); }

  Status open(const std::string& path, const Options& options, const Progress& progress) {
    if (path != ":memory:") {
      MMCB_TRY(Registry::instance().open(path, options, progress, &shared_, &identity_));
      registered_ = true;
      return Status();
    }
    std::unique_ptr<Engine> engine;
    MMCB_TRY(Engine::open(memory_platform(), path, options, progress, &engine));
    auto shared = std::make_shared<SharedStore>(std::move(engine), true);
    MMCB_TRY(shared->start());
    shared_ = std::move(shared);
    return Status();
  }

  Status close() override {
    std::shared_ptr<SharedStore> shared = std::move(shared_);
    if (shared == nullptr) return Status();
    if (!registered_) return shared->shut_down();
    shared.reset();
    return Registry::instance().close(identity_);
  }

  Engine& engine() override { return shared_->engine(); }
  std::atomic<uint64_t>& owner() override { return shared_->owner(); }
  void flush(Done done) override { shared_->flush(std::move(done)); }
  Status flush() override { return shared_->flush(); }
  Status compact(const Progress& progress, CompactionReport* report) override {
    return shared_->compact(Compactor::Goal::kAll, progress, report);
  }
  Status verify(const VerifyOptions& options, const Progress& progress, VerifyReport* report) override {
    Engine& engine = shared_->engine();
    if (options.acknowledge && engine.options().read_only)
      return Status(Code::kReadOnly, "the store was opened with readOnly: damage cannot be acknowledged in it");
    MMCB_TRY(Verifier(engine).run(progress, report));
    if (!options.acknowledge || report->error_count != 0) return Status();
    MMCB_TRY(engine.acknowledge_damage());
    report->marker = engine.damage();
    return shared_->flush();
  }
  Status backup(const std::string& target, bool overwrite, const Progress& progress) override {
    return Backup(shared_->engine(), posix_platform()).run(target, overwrite, progress);
  }
  uint64_t add_listener(Listener listener) override { return shared_->add_listener(std::move(listener)); }
  void remove_listener(uint64_t id) override { shared_->remove_listener(id); }

 private:
  std::shared_ptr<SharedStore> shared_;
  FileIdentity identity_;
  bool registered_ = false;
};

}  // namespace

Status Store::open(const std::string& path, const Options& options, const Progress& progress,
                   std::shared_ptr<Store>* store) {
  return guarded([&]() -> Status {
    auto lease = std::make_shared<Lease>();
    MMCB_TRY(lease->open(path, options, progress));
    // Whoever opened the file before may not have asked for it.
    if (options.ordered) MMCB_TRY(lease->engine().order_keys());
    *store = std::move(lease);
    return Status();
  });
}

}  // namespace mmcb
