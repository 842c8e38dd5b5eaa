// Store: an engine with its threads: periodic and requested sync points, compaction by policy, prefaulting. One Store per
// file and process, shared by all who open it (worker_threads included) through a registry; the last one to let go closes
// the file in order.
//
// Thread safety: every call may come from any thread. Completions and listeners are called on the store's own threads; they
// must not block, must not throw (but see add_listener), must not add or remove listeners, and must not let go of the last
// reference to the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/engine.h"
#include "core/options.h"
#include "core/status.h"

namespace mmcb {

struct StoreEvent {
  enum class Type : uint8_t { kSync, kCompaction, kError };
  Type type = Type::kSync;
  uint64_t epoch = 0;           // kSync: now durable
  double milliseconds = 0;      // kSync, kCompaction
  CompactionReport compaction;  // kCompaction
  Status error;                 // kError
};

class Store {
 public:
  // Opens `path`, or joins it where this process has it open already (the first opener's options then stay in force).
  // ":memory:" is a store of its own each time. kLocked where another process writes.
  static Status open(const std::string& path, const Options& options, const Progress& progress,
                     std::shared_ptr<Store>* store);
  virtual ~Store() = default;  // closes, if close() was not called

  // Lets go. The last one who does makes a final sync point, marks the file clean and joins the threads; its outcome is
  // returned. Idempotent. Nothing else may be called afterwards.
  virtual Status close() = 0;

  virtual Engine& engine() = 0;

  // Who of those who share the engine has the file for himself, where they have agreed on that: a number, or 0 for nobody. It
  // is theirs: nothing here looks at it. In memory only, so that it is there on a full disk, and gone with the process.
  virtual std::atomic<uint64_t>& owner() = 0;

  // Asks for a sync point that covers every call made before; `done` is called once, when it is on the disk or has
  // failed (or at once, with kNoMemory, where there is no memory for the request). Concurrent requests share sync points (group commit).
  using Done = std::function<void(const Status&)>;
  virtual void flush(Done done) = 0;
  // The same, waiting.
  virtual Status flush() = 0;

  // Long work, on the calling thread.
  virtual Status compact(const Progress& progress, CompactionReport* report) = 0;
  // With `options.acknowledge` and nothing wrong, the damage marker is cleared, durably when this returns.
  virtual Status verify(const VerifyOptions& options, const Progress& progress, VerifyReport* report) = 0;
  // Writes a consistent copy to a new file at `target`, with the same addresses; kIo with EEXIST where there is one
  // already and `overwrite` is not set. Written beside the target and renamed when complete and durable.
  virtual Status backup(const std::string& target, bool overwrite, const Progress& progress) = 0;

  using Listener = std::function<void(const StoreEvent&)>;
  // 0 where memory for it cannot be had. An event for which a listener has no memory (std::bad_alloc) is dropped.
  virtual uint64_t add_listener(Listener listener) = 0;
  // Waits for a call of it under way. Must not be called from a listener.
  virtual void remove_listener(uint64_t id) = 0;
};

// Lets go of a store: close(), then drops the reference.
inline Status close_store(std::shared_ptr<Store> store) { return store->close(); }

}  // namespace mmcb
