// Channel: from the threads that work to the thread that runs JavaScript, one for each environment.
//
// Messages wait in a queue of our own; the threadsafe function only wakes the environment up, once for each message, so
// that every callback has a callback scope (and its microtasks) to itself. What can pile up is merged: progress of one
// operation, sync events of one store.
//
// Thread safety: post*() from any thread, also after the environment has gone (then they do nothing); everything else on
// the environment's thread.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "binding/api.h"
#include "core/store.h"

namespace mmcb::binding {

struct AddonData;
struct Operation;

// Where events of one handle come from. `latest_sync` and `sync_queued` are guarded by the channel's lock.
struct EventSource {
  int32_t handle = 0;
  StoreEvent latest_sync;
  bool sync_queued = false;
};

struct Message {
  enum class Type : uint8_t { kCompletion, kProgress, kEvent };
  Type type = Type::kCompletion;
  std::shared_ptr<Operation> operation;  // kCompletion, kProgress
  std::shared_ptr<EventSource> source;   // kEvent
  StoreEvent event;                      // kEvent
  // kProgress
  std::string phase;
  uint64_t done = 0;
  uint64_t total = 0;
};

// Messages move from list to list by their nodes: one that was made beforehand is sent without asking for memory.
using Messages = std::list<Message>;

class Channel {
 public:
  // nullptr where the runtime refuses; an exception is pending then.
  static std::shared_ptr<Channel> create(napi_env env, AddonData* owner);

  // Never fails: takes the message that the operation has kept for it.
  void post_completion(const std::shared_ptr<Operation>& operation);
  // Dropped where there is no memory for it.
  void post_progress(const std::shared_ptr<Operation>& operation, const char* phase, uint64_t done, uint64_t total);
  // Throws std::bad_alloc.
  void post_event(const std::shared_ptr<EventSource>& source, const StoreEvent& event);

  // Whether waiting messages keep the environment alive. Off at first.
  void keep_alive(napi_env env, bool on);

  // Nothing is delivered from now on, and no other thread touches the environment any more.
  void shut();

 private:
  void push(Messages one);  // under mutex_
  bool pop(Message* message);
  static void deliver(napi_env env, napi_value, void* context, void*);
  static void finalize(napi_env env, void* data, void* hint);

  AddonData* owner_ = nullptr;                   // the environment's thread only; null once shut
  std::mutex mutex_;                             // guards everything below
  napi_threadsafe_function function_ = nullptr;  // null once it may not be called any more
  Messages queue_;
};

}  // namespace mmcb::binding
