// Events of a store: from its own threads to the listener of a handle.
#include <utility>

#include "binding/args.h"
#include "binding/functions.h"
#include "binding/objects.h"

namespace mmcb::binding {
namespace {

napi_value js_sync(napi_env env, const StoreEvent& event) {
  return ObjectBuilder(env).set("epoch", event.epoch).set("milliseconds", event.milliseconds).value();
}

bool is_function(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

}  // namespace

void deliver_event(AddonData& data, const EventSource& source, const StoreEvent& event) {
  const Handle* handle = data.handles.find(source.handle);
  napi_value listener = nullptr;
  if (handle == nullptr || handle->listener == nullptr ||
      napi_get_reference_value(data.env, handle->listener, &listener) != napi_ok) {
    return;
  }
  const char* name = nullptr;
  napi_value arguments[2] = {nullptr, nullptr};
  switch (event.type) {
    case StoreEvent::Type::kSync:
      name = "sync";
      arguments[1] = js_sync(data.env, event);
      break;
    case StoreEvent::Type::kCompaction:
      name = "compaction";
      arguments[1] = js_compaction(data.env, event.compaction);
      break;
    case StoreEvent::Type::kError:
      name = "error";
      arguments[1] = make_error(data, event.error);
      break;
  }
  napi_create_string_utf8(data.env, name, NAPI_AUTO_LENGTH, &arguments[0]);
  data.call(listener, arguments, 2);
}

namespace exported {

napi_value setEventListener(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.throws(Status(Code::kClosed));
  if (handle->listener != nullptr) napi_delete_reference(env, std::exchange(handle->listener, nullptr));
  if (!is_function(env, call[1])) {
    if (handle->listener_id != 0) handle->store->remove_listener(std::exchange(handle->listener_id, 0));
    return nullptr;
  }
  napi_create_reference(env, call[1], 1, &handle->listener);
  if (handle->listener_id == 0) {
    const auto source = std::make_shared<EventSource>();
    source->handle = handle->number;
    handle->listener_id = handle->store->add_listener(
        [channel = call.data().channel, source](const StoreEvent& event) { channel->post_event(source, event); });
    if (handle->listener_id == 0) return call.throws(Status(Code::kNoMemory));
  }
  return nullptr;
}

}  // namespace exported
}  // namespace mmcb::binding
