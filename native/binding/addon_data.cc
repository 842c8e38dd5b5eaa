#include "binding/addon_data.h"

#include <utility>

#include "binding/error_bridge.h"

namespace mmcb::binding {
namespace {

void on_cleanup(void* data) { static_cast<AddonData*>(data)->shut(); }

void on_finalize(napi_env env, void* data, void*) {
  auto* addon_data = static_cast<AddonData*>(data);
  // A runtime that finalizes without having run the hook must not run it afterwards.
  napi_remove_env_cleanup_hook(env, on_cleanup, data);
  addon_data->shut();
  delete addon_data;
}

}  // namespace

AddonData* AddonData::create(napi_env env) {
  auto data = std::make_unique<AddonData>(env);
  data->channel = Channel::create(env, data.get());
  if (!data->channel) return nullptr;
  if (napi_set_instance_data(env, data.get(), on_finalize, nullptr) != napi_ok) {
    data->shut();
    return nullptr;
  }
  AddonData* created = data.release();
  napi_add_env_cleanup_hook(env, on_cleanup, created);
  return created;
}

std::unique_ptr<Handle> AddonData::retire(Handle* handle) {
  views.end_all(*handle);
  std::unique_ptr<Handle> taken = handles.take(handle);
  taken->release(env);
  return taken;
}

void AddonData::call(napi_value function, const napi_value* arguments, size_t count) {
  if (function == nullptr) return;
  napi_value result = nullptr;
  if (napi_call_function(env, js_undefined(env), function, count, arguments, &result) == napi_ok) return;
  bool is_pending = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env, &is_pending) != napi_ok || !is_pending) return;  // the environment is ending
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok && error != nullptr) napi_fatal_exception(env, error);
}

void AddonData::deliver(const Message& message) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  const Status status = guarded([&] {
    switch (message.type) {
      case Message::Type::kCompletion: operations.on_completion(*message.operation); break;
      case Message::Type::kProgress:
        operations.on_progress(*message.operation, message.phase.c_str(), message.done, message.total);
        break;
      case Message::Type::kEvent: deliver_event(*this, *message.source, message.event); break;
    }
    return Status();
  });
  // Somebody waits for a call that could not be made: not in silence.
  if (!status.ok()) napi_fatal_exception(env, make_error(*this, status));
  napi_close_handle_scope(env, scope);
}

void AddonData::shut() {
  if (std::exchange(shut_, true)) return;
  // First, so that operations that end now find nobody to tell.
  if (channel) channel->shut();
  operations.shut();
  views.abandon();
  handles.for_each([](Handle& handle) {
    handle.release(nullptr);
    (void)close_store(std::move(handle.store));
  });
  // Last: whoever sees them end may count on nothing of this environment being at work.
  tickets.shut();
}

}  // namespace mmcb::binding
