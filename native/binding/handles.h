// Handle: what one open() of a store is to one environment. HandleTable: from the number that JavaScript holds to it.
//
// A store is shared by all who opened it, in every thread; a handle and its reader pin belong to one environment alone.
//
// Thread safety: the environment's thread only. Operations running elsewhere hold the store, never the handle.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "binding/api.h"
#include "core/store.h"

namespace mmcb::binding {

// An entry version that a reader goes on seeing.
struct Reader {
  Engine::Snapshot snapshot;
  uint64_t offset = 0;
};

// What a handle has that JavaScript knows by a number from 1 up: round again after 2^31 - 1, and none twice at a time.
template <typename Value>
class Numbered {
 public:
  // A place for a new one; its number is in `first`. Throws std::bad_alloc.
  std::pair<const int32_t, Value>& add() {
    while (values_.contains(next_)) advance();
    auto& added = *values_.try_emplace(next_).first;
    advance();
    return added;
  }
  Value* find(int32_t number) {
    const auto found = values_.find(number);
    return found == values_.end() ? nullptr : &found->second;
  }
  void remove(int32_t number) { values_.erase(number); }
  void clear() { values_.clear(); }
  size_t size() const { return values_.size(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  void advance() { next_ = next_ == 0x7fffffff ? 1 : next_ + 1; }

  std::unordered_map<int32_t, Value> values_;
  int32_t next_ = 1;
};

struct Handle {
  int32_t number = 0;
  std::shared_ptr<Store> store;
  Engine* engine = nullptr;
  ReaderPin* pin = nullptr;
  bool read_only = false;
  Status last;  // of the latest failed call

  // Operations that have not called back yet. Once 0, the closing one may begin.
  uint32_t pending = 0;
  int32_t closing = 0;  // number of the operation that closes it; 0: none

  Numbered<Reader> readers;
  Numbered<Engine::OrderedSnapshot> ordered_snapshots;

  napi_ref listener = nullptr;
  uint64_t listener_id = 0;

  // Ends everything but the store: readers, events, the pin. `env` is null when the environment is ending, which takes
  // care of references itself. Precondition: no view of this handle is left.
  void release(napi_env env);
};

class HandleTable {
 public:
  // Numbers are not used twice, so that one kept after close() never names another store. 0 is never a handle.
  // kNoMemory once 2^31 were given, too.
  Status add(std::shared_ptr<Store> store, bool read_only, Handle** handle);

  Handle* find(int32_t number) const {
    const auto index = static_cast<uint32_t>(number);
    return index < handles_.size() ? handles_[index].get() : nullptr;
  }

  // Takes it out of the table: from now on the number is unknown.
  std::unique_ptr<Handle> take(Handle* handle);

  template <typename Visit>
  void for_each(Visit&& visit) {
    for (auto& handle : handles_) {
      if (handle) visit(*handle);
    }
  }

 private:
  std::vector<std::unique_ptr<Handle>> handles_ = std::vector<std::unique_ptr<Handle>>(1);
};

}  // namespace mmcb::binding
