// FaultedStore: an engine under injected faults, and a plain map of what it must hold. Every call is made under the
// injection, judged by what it returned and by what struck meanwhile, and, if it failed, shown to have changed nothing.
//
// What may stand in the file is known throughout: all that returned; and, for when a sync has failed or the machine has been
// started again, the state of the last sync point, and the states that failing syncs were about to make durable.
//
// A broken promise is thrown as Broken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/step.h"
#include "support/failing_memory.h"
#include "support/failing_platform.h"

namespace mmcb::test {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class FaultedStore {
 public:
  struct Contents {
    std::map<uint64_t, std::string> plain;  // by address
    std::map<int64_t, std::string> ints;
    std::map<std::string, std::string> strings;
    bool operator==(const Contents&) const = default;
  };

  FaultedStore(FailingPlatform& platform, std::string path, Options options);
  ~FaultedStore();
  FaultedStore(const FaultedStore&) = delete;
  FaultedStore& operator=(const FaultedStore&) = delete;

  // ---- Calls under the injection. False: refused, and nothing has changed. They need an open engine. ----
  bool open();
  bool add(size_t size);
  bool update(size_t index, size_t size);  // of the live plain entries, by address
  bool remove(size_t index);
  bool set(int64_t key, size_t size);
  bool set(const std::string& key, size_t size);
  bool erase(int64_t key);
  bool erase(const std::string& key);
  // Adds `adds` entries, sets `sets` keys from `first_key` on (of either kind, in turn), updates and removes every third of
  // the plain entries.
  bool batch(size_t adds, size_t sets, int64_t first_key, size_t size);
  bool clear(KindFilter kind);
  bool sync();
  bool compact();
  bool trim(bool keep_reserve);
  void prefault();
  bool verify();
  // Opens a snapshot of the string keys in order, changes half of them, and finds in it what was there before.
  bool ordered_snapshot();
  bool clear_range(const std::string& from, const std::string& to);
  // With progress that says no at once: `aborted`.
  bool backup(bool overwrite, bool aborted = false);
  // Reads through a snapshot what was there when it was opened, after everything has been updated.
  bool snapshot();
  // A sync point that marks the file as closed, and the engine's end.
  bool close();

  // ---- Without faults ----
  bool is_open() const { return engine_ != nullptr; }
  Engine& engine() { return *engine_; }
  size_t plain_entries() const { return contents_.plain.size(); }
  Options& options() { return options_; }
  const Contents& contents() const { return contents_; }
  // The process dies; what is in the page cache stays.
  void kill();
  // The process dies in the middle of an update in place, at a step behind the point of no return.
  void update_and_die(Step step);
  // The machine starts again: the next opening returns to the last sync point.
  void boot_again();
  // One entry's bytes are damaged in the file: it is lost to a salvage.
  void damage_one_entry();
  // The same store at another time: what it holds and what it may be opened as.
  void remember_as(FaultedStore* other) const;
  // Reads everything and compares.
  void check_contents();
  // What must hold once the faults are over: everything readable, the store usable or, after a failed sync, fenced; the same
  // after the process has died, after a close, or after the machine went down (with everything written).
  enum class Way : uint8_t { kKill, kClose, kBoot, kNone };
  void settle(Way way);

  // Faults that struck since they were armed, of both kinds.
  uint64_t hits() const { return faults_.hits() + MemoryFaults::hits(); }

 private:
  using Body = std::function<Status()>;
  enum class Syncs : uint8_t { kNo, kYes };
  // Makes a call under the injection. One that syncs may end with the store fenced.
  bool call(const char* what, const Body& body, Syncs syncs = Syncs::kNo);
  Status make(const Body& body);
  // Hits: of the platform and of memory, before the call.
  void judge(const char* what, const Status& status, uint64_t platform_hits, uint64_t memory_hits);
  bool is_fenced() const { return engine_ != nullptr && !engine_->failure().ok(); }
  [[noreturn]] void broken(const std::string& what) const;
  void require(bool holds, const char* what) const {
    if (!holds) broken(what);
  }
  std::string value(size_t size);
  uint64_t address_at(size_t index) const;
  // Everything that the engine holds: by iteration, and again by every key, and in order.
  Contents read_all();
  // String keys and their data in order, as of now or of a snapshot.
  std::map<std::string, std::string> read_in_order(const Engine::OrderedSnapshot* snapshot);
  // One of the states that the file may be in.
  void check_reopened();
  void check_usable();
  void check_fenced();
  void check_backup(const std::string& target, bool done, bool was_there, bool struck);
  bool is_left(const std::string& part_of_name) const;
  void open_without_faults();
  void drop();

  FailingPlatform& platform_;
  Faults& faults_;
  const std::string path_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  ReaderPin* pin_ = nullptr;
  uint64_t next_value_ = 1;
  uint8_t boot_ = 1;
  Contents contents_;            // by every call that returned
  Contents durable_;             // as of the last sync point
  std::vector<Contents> maybe_;  // as of syncs that failed: their superblock may be there
  bool sync_failed_ = false;     // since the file was last opened in order
  bool booted_ = false;          // since it was last open
  uint64_t backups_ = 0;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(110 << 10);  // larger than any entry
};

}  // namespace mmcb::test
