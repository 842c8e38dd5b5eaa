// Operations: long calls. Each runs on a thread of its own (never libuv's pool, which user code may have filled) and calls
// back on the environment's thread, which it keeps alive until then.
//
// Thread safety: Operation is shared between the two threads as its members say; Operations is the environment's thread
// only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>

#include "binding/api.h"
#include "binding/channel.h"
#include "binding/handles.h"
#include "core/options.h"
#include "core/status.h"

namespace mmcb::binding {

struct AddonData;

struct Operation {
  int32_t number = 0;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> ended{false};  // whoever sets it says how: writes `status`, then posts the completion
  Status status;                   // read on the environment's thread, after the completion
  Messages completion{1};          // what post_completion() sends: made beforehand, so that ending needs no memory
};

// The callbacks of a long call, as JavaScript passed them.
struct Callbacks {
  napi_value done = nullptr;
  napi_value progress = nullptr;  // null: none
};

class Operations {
 public:
  // Done off the environment's thread. Must not hold the last reference to a store when it is destroyed.
  using Work = std::function<Status(const Progress&)>;
  // Makes the result on the environment's thread, after the work went well; may fail still.
  using Result = std::function<Status(napi_value* value)>;

  explicit Operations(AddonData& data) : data_(data) {}

  // Runs `work` on a thread. `handle` may be null (open).
  int32_t start(Handle* handle, const Callbacks& callbacks, Work work, Result result);
  // Calls back with `status` soon: for what is refused at once.
  int32_t refuse(const Callbacks& callbacks, Status status);
  // Flushes without a thread: the store's own calls back.
  int32_t flush(Handle* handle, const Callbacks& callbacks);
  // Closes a handle that was taken out of the table and released, once its other operations are over.
  int32_t close(std::unique_ptr<Handle> handle, const Callbacks& callbacks);

  void cancel(int32_t number);
  // Waits until no thread works for `handle` any more; its callbacks come later all the same.
  void join(Handle* handle);
  // A completion or progress has arrived.
  void on_completion(const Operation& operation);
  void on_progress(const Operation& operation, const char* phase, uint64_t done, uint64_t total);

  // Cancels everything and waits for it. Nothing calls back.
  void shut();

 private:
  struct Pending {
    std::shared_ptr<Operation> operation;
    napi_ref done = nullptr;
    napi_ref progress = nullptr;
    Handle* handle = nullptr;         // whose `pending` counts it
    std::unique_ptr<Handle> closing;  // close(): what is to be closed
    std::thread thread;
    Result result;
  };

  Pending& enter(Handle* handle, const Callbacks& callbacks);
  void run(Pending& pending, Work work);
  void begin_close(Pending& pending);

  AddonData& data_;
  std::unordered_map<int32_t, Pending> pending_;
  int32_t next_number_ = 1;
};

}  // namespace mmcb::binding
