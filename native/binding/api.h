// The one place where Node-API comes in.
//
// node-addon-api defines the module; everything else calls the C functions beneath it. That is not for speed alone: in a
// worker that is being terminated every call into JavaScript fails, and node-addon-api without C++ exceptions answers a
// failed call with napi_fatal_error, which kills the process. Here such failures are looked at, or may be ignored.
#pragma once

#ifndef NAPI_VERSION
#define NAPI_VERSION 9
#endif
#ifndef NAPI_DISABLE_CPP_EXCEPTIONS
#define NAPI_DISABLE_CPP_EXCEPTIONS
#endif

#include <node_api.h>

namespace mmcb::binding {

inline napi_value js_undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

inline napi_value js_null(napi_env env) {
  napi_value value = nullptr;
  napi_get_null(env, &value);
  return value;
}

inline napi_value js_boolean(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

// Small integers cost 11 ns, other numbers 16.
inline napi_value js_number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

inline napi_value js_number(napi_env env, uint64_t value) {
  napi_value result = nullptr;
  if (value <= 0x7fffffff) {
    napi_create_int32(env, static_cast<int32_t>(value), &result);
  } else {
    napi_create_double(env, static_cast<double>(value), &result);
  }
  return result;
}

inline napi_value js_number(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

}  // namespace mmcb::binding
