// Entries by key. Each function stands twice in the exports, for integer and for string keys.
#include "binding/functions.h"
#include "binding/key_argument.h"

namespace mmcb::binding {
namespace {

template <Kind kKind>
napi_value set(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  KeyArgument<kKind> argument;
  if (const Code code = argument.read(call.data(), call[1]); code != Code::kOk) return call.fails(handle, code);
  Bytes data;
  if (!call.bytes(2, &data)) return call.fails(handle, Code::kInvalidArgument);
  return call.answers(handle, handle->engine->set(argument.key(), data, nullptr), 0);
}

template <Kind kKind>
napi_value get(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  KeyArgument<kKind> argument;
  if (const Code code = argument.read(call.data(), call[1]); code != Code::kOk) return call.fails(handle, code);
  uint64_t position = 0;
  if (!call.position(2, &position)) return call.fails(handle, Code::kInvalidArgument);
  uint64_t size = 0;
  Status status = handle->engine->read(*handle->pin, argument.key(), call.data().slab_from(position), &size);
  return call.answers(handle, std::move(status), size);
}

template <Kind kKind>
napi_value get_into(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  KeyArgument<kKind> argument;
  if (const Code code = argument.read(call.data(), call[1]); code != Code::kOk) return call.fails(handle, code);
  MutableBytes target;
  uint64_t position = 0;
  if (!call.bytes(2, &target) || !call.position(3, &position)) return call.fails(handle, Code::kInvalidArgument);
  uint64_t copied = 0;
  Status status = handle->engine->read_part(*handle->pin, argument.key(), position, target, &copied);
  return call.answers(handle, std::move(status), copied);
}

template <Kind kKind>
napi_value has_key(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  KeyArgument<kKind> argument;
  return js_boolean(env, handle != nullptr && argument.read(call.data(), call[1]) == Code::kOk &&
                             handle->engine->contains(*handle->pin, argument.key()));
}

template <Kind kKind>
napi_value erase(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  if (handle->read_only) return call.fails(handle, Code::kReadOnly);
  KeyArgument<kKind> argument;
  if (const Code code = argument.read(call.data(), call[1]); code != Code::kOk) return call.fails(handle, code);
  Status status = handle->engine->erase(argument.key());
  if (status.code() == Code::kNotFound) return js_number(env, 0);
  return call.answers(handle, std::move(status), 1);
}

template <Kind kKind>
napi_value address_of(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return call.closed();
  KeyArgument<kKind> argument;
  if (const Code code = argument.read(call.data(), call[1]); code != Code::kOk) return call.fails(handle, code);
  Address address;
  Status status = handle->engine->find(*handle->pin, argument.key(), &address);
  return call.answers(handle, std::move(status), address.to_integer());
}

}  // namespace

namespace exported {

napi_value intSet(napi_env env, napi_callback_info info) { return set<Kind::kIntKey>(env, info); }
napi_value intGet(napi_env env, napi_callback_info info) { return get<Kind::kIntKey>(env, info); }
napi_value intGetInto(napi_env env, napi_callback_info info) { return get_into<Kind::kIntKey>(env, info); }
napi_value intHas(napi_env env, napi_callback_info info) { return has_key<Kind::kIntKey>(env, info); }
napi_value intDelete(napi_env env, napi_callback_info info) { return erase<Kind::kIntKey>(env, info); }
napi_value intAddress(napi_env env, napi_callback_info info) { return address_of<Kind::kIntKey>(env, info); }

napi_value stringSet(napi_env env, napi_callback_info info) { return set<Kind::kStringKey>(env, info); }
napi_value stringGet(napi_env env, napi_callback_info info) { return get<Kind::kStringKey>(env, info); }
napi_value stringGetInto(napi_env env, napi_callback_info info) { return get_into<Kind::kStringKey>(env, info); }
napi_value stringHas(napi_env env, napi_callback_info info) { return has_key<Kind::kStringKey>(env, info); }
napi_value stringDelete(napi_env env, napi_callback_info info) { return erase<Kind::kStringKey>(env, info); }
napi_value stringAddress(napi_env env, napi_callback_info info) { return address_of<Kind::kStringKey>(env, info); }

}  // namespace exported
}  // namespace mmcb::binding
