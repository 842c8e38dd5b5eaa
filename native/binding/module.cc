// The module: what it exports, and the calls that concern the environment as a whole.
#include "binding/api.h"
#include "binding/args.h"
#include "binding/functions.h"
#include "core/format.h"

#include <napi.h>

namespace mmcb::binding {
namespace exported {

// initialize(makeError, copyViews = false)
napi_value initialize(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  AddonData& data = call.data();
  if (data.error_factory != nullptr) napi_delete_reference(env, data.error_factory);
  data.error_factory = nullptr;
  napi_create_reference(env, call[0], 1, &data.error_factory);
  data.views.set_copying(call.flag(1));
  return nullptr;
}

napi_value setSlab(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  AddonData& data = call.data();
  napi_typedarray_type type;
  size_t length = 0;
  void* bytes = nullptr;
  napi_value memory = nullptr;
  if (napi_get_typedarray_info(env, call[0], &type, &length, &bytes, &memory, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return call.throws(Status(Code::kInvalidArgument, "the slab must be a Uint8Array"));
  }
  data.slab = MutableBytes(static_cast<std::byte*>(bytes), bytes == nullptr ? 0 : length);

  // Windows of the same memory are set often: the reference is renewed only when the memory is another.
  napi_value known = nullptr;
  bool is_same = false;
  if (data.slab_memory != nullptr && napi_get_reference_value(env, data.slab_memory, &known) == napi_ok &&
      known != nullptr && napi_strict_equals(env, known, memory, &is_same) == napi_ok && is_same) {
    return nullptr;
  }
  if (data.slab_memory != nullptr) napi_delete_reference(env, data.slab_memory);
  data.slab_memory = nullptr;
  napi_create_reference(env, memory, 1, &data.slab_memory);
  return nullptr;
}

napi_value keyFromBytes(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  AddonData& data = call.data();
  uint64_t offset = 0;
  uint64_t length = 0;
  if (!call.position(0, &offset) || !call.position(1, &length) || length > kMaxKeySize ||
      length > data.slab_from(offset).size()) {
    return call.throws(Status(Code::kInvalidArgument, "the key lies outside the slab"));
  }
  return data.keys.to_string(env, data.slab_from(offset).first(static_cast<size_t>(length)));
}

napi_value lastError(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  const Handle* handle = call.handle();
  return make_error(call.data(), handle != nullptr ? handle->last : Status(Code::kClosed));
}

}  // namespace exported

namespace {

// No exception may reach the runtime. What the core and the calls here cannot deal with nearer by is memory for large
// arguments; it becomes an exception of JavaScript, also where a call answers with codes otherwise.
template <napi_callback kFunction>
napi_value without_exceptions(napi_env env, napi_callback_info info) {
  try {
    return kFunction(env, info);
  } catch (const std::bad_alloc&) {
    Call<0> call(env, info);
    return call.throws(Status(Code::kNoMemory, "not enough memory for the call"));
  }
}

struct Export {
  const char* name;
  napi_callback function;
};

constexpr Export kExports[] = {
#define MMCB_EXPORT(name) {#name, without_exceptions<exported::name>},
    MMCB_EXPORTS(MMCB_EXPORT)
#undef MMCB_EXPORT
};

Napi::Object initialize_module(Napi::Env env, Napi::Object exports) {
  AddonData* data = nullptr;
  const Status created = guarded([&] {
    data = AddonData::create(env);
    return Status();
  });
  if (!created.ok()) {
    napi_throw_error(env, nullptr, "mmcb: not enough memory");
    return exports;
  }
  if (data == nullptr) {
    Napi::Error::New(env, "mmcb: the runtime refuses a threadsafe function").ThrowAsJavaScriptException();
    return exports;
  }
  for (const Export& entry : kExports) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, data, &function) != napi_ok)
      return exports;
    exports.Set(entry.name, Napi::Value(env, function));
  }
  exports.Set("formatVersion", Napi::Number::New(env, kFormatVersion));
  return exports;
}

NODE_API_MODULE(mmcb, initialize_module)

}  // namespace
}  // namespace mmcb::binding
