#include "binding/error_bridge.h"

#include <string>

#include "binding/addon_data.h"

namespace mmcb::binding {
namespace {

napi_value string_of(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

// For when there is no factory (yet), or it failed.
napi_value plain_error(napi_env env, const Status& status) {
  const std::string code = std::string("MMCB_") + code_name(status.code());
  napi_value error = nullptr;
  napi_create_error(env, string_of(env, code), string_of(env, status.message().empty() ? code : status.message()),
                    &error);
  return error != nullptr ? error : js_undefined(env);
}

}  // namespace

napi_value make_error(AddonData& data, const Status& status) {
  napi_env env = data.env;
  napi_value factory = nullptr;
  if (data.error_factory == nullptr || napi_get_reference_value(env, data.error_factory, &factory) != napi_ok ||
      factory == nullptr) {
    return plain_error(env, status);
  }
  const napi_value arguments[3] = {js_number(env, static_cast<int32_t>(status.code())),
                                   string_of(env, status.message()),
                                   js_number(env, static_cast<int32_t>(status.system_error()))};
  napi_value error = nullptr;
  if (napi_call_function(env, js_undefined(env), factory, 3, arguments, &error) == napi_ok && error != nullptr)
    return error;
  napi_value ignored;
  napi_get_and_clear_last_exception(env, &ignored);
  return plain_error(env, status);
}

napi_value throw_status(AddonData& data, const Status& status) {
  napi_throw(data.env, make_error(data, status));
  return nullptr;
}

}  // namespace mmcb::binding
