// SharedStore: the one engine of a file in this process, with its threads: one for sync points, one for maintenance
// (compaction by policy, growing and prefaulting ahead of the writers). Shared by all who open the file, through the
// registry in store.cc.
//
// Thread safety: every call may come from any thread, but shut_down() only when no other call is under way or to come.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/compaction_trigger.h"
#include "core/compactor.h"
#include "core/engine.h"
#include "core/options.h"
#include "core/platform/platform.h"
#include "core/status.h"
#include "core/store.h"

namespace mmcb {

class SharedStore final : public SpaceListener {
 public:
  SharedStore(std::unique_ptr<Engine> engine, bool is_volatile)
      : engine_(std::move(engine)), volatile_(is_volatile), compactor_(*engine_) {}
  ~SharedStore() override { (void)shut_down(); }

  // Starts the threads. Call once.
  Status start();
  // Stops the threads, makes the last sync point, closes the engine. Idempotent.
  Status shut_down();

  Engine& engine() { return *engine_; }
  std::atomic<uint64_t>& owner() { return owner_; }

  // See Store.
  void flush(Store::Done done);
  Status flush();
  Status compact(Compactor::Goal goal, const Progress& progress, CompactionReport* report);
  uint64_t add_listener(Store::Listener listener);
  void remove_listener(uint64_t id);

  // SpaceListener.
  void segment_taken() override { ask_for(&wants_prefault_); }
  void space_short() override { ask_for(&wants_space_); }
  void wait_for_space() override;
  bool make_space() override;

 private:
  Status flush_now();
  void sync_loop();
  // Group commit: gives those whom the last sync point has served a moment to come again, so that the next one serves them
  // together with those who came while it was under way, and not in turn with them.
  void gather(std::unique_lock<std::mutex>& lock);
  // A sync point: at once for those who wait for it, else in two steps, which also confirms the one before.
  Status sync(bool is_awaited);
  void maintenance_loop();
  void check_policy();
  void run_policy(Compactor::Goal goal);
  // Gives readers in the middle of a call the time to finish it.
  void await_readers();
  // Lets held-up writers go on.
  void relieve();
  void ask_for(bool* wish);
  bool is_stopping();
  void stop(bool* flag, std::condition_variable* wake, std::unique_ptr<Thread>* thread);
  // Tells once that the file has no name any more.
  void report_deletion();
  void emit(const StoreEvent& event);
  void emit_error(Status status);

  std::unique_ptr<Engine> engine_;
  std::atomic<uint64_t> owner_{0};
  const bool volatile_;
  std::mutex compaction_mutex_;
  Compactor compactor_;  // under compaction_mutex_

  // Guards waiting_ and the flags below. Taken under the engine's write lock, never the other way round.
  std::mutex mutex_;
  std::condition_variable sync_wake_;
  std::condition_variable maintenance_wake_;
  std::condition_variable space_wake_;
  std::vector<Store::Done> waiting_;
  size_t wake_at_ = 1;  // how many have to be waiting before the sync thread is woken
  size_t crowd_ = 0;    // who waited for the last sync point, and who came meanwhile
  std::chrono::steady_clock::time_point gather_until_;
  bool stopping_maintenance_ = false;
  bool stopping_sync_ = false;
  bool wants_prefault_ = false;
  bool wants_space_ = false;
  bool wants_update_space_ = false;
  uint64_t update_spaces_ = 0;     // how often it was tried to make some
  bool told_of_deletion_ = false;  // sync thread only
  bool unconfirmed_ = false;       // the last sync point is; sync thread only
  CompactionTrigger trigger_;      // maintenance thread only
  std::unique_ptr<Thread> sync_thread_;
  std::unique_ptr<Thread> maintenance_thread_;

  std::mutex listeners_mutex_;
  std::map<uint64_t, Store::Listener> listeners_;
  uint64_t last_listener_ = 0;
};

}  // namespace mmcb
