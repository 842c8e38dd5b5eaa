#include "binding/handles.h"

#include <utility>

namespace mmcb::binding {

Status HandleTable::add(std::shared_ptr<Store> store, bool read_only, Handle** handle) {
  if (handles_.size() > 0x7fffffff) return Status(Code::kNoMemory, "this thread has opened too many stores");
  return guarded([&] {
    auto added = std::make_unique<Handle>();
    // Room in the table comes before the pin, which nobody would give back otherwise.
    if (handles_.size() == handles_.capacity()) handles_.reserve(2 * handles_.size());
    added->number = static_cast<int32_t>(handles_.size());
    added->engine = &store->engine();
    added->pin = added->engine->pins().add_reader();
    if (added->pin == nullptr) return Status(Code::kNoMemory);
    added->store = std::move(store);
    added->read_only = read_only;
    *handle = added.get();
    handles_.push_back(std::move(added));
    return Status();
  });
}

std::unique_ptr<Handle> HandleTable::take(Handle* handle) {
  return std::move(handles_[static_cast<size_t>(handle->number)]);
}

void Handle::release(napi_env env) {
  if (listener_id != 0) store->remove_listener(std::exchange(listener_id, 0));
  if (listener != nullptr && env != nullptr) napi_delete_reference(env, listener);
  listener = nullptr;
  for (const auto& reader : readers) engine->close_snapshot(reader.second.snapshot);
  readers.clear();
  for (const auto& snapshot : ordered_snapshots) engine->close_ordered_snapshot(snapshot.second);
  ordered_snapshots.clear();
  if (pin != nullptr) engine->pins().remove_reader(std::exchange(pin, nullptr));
}

}  // namespace mmcb::binding
