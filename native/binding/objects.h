// ObjectBuilder: makes the plain objects that cold calls return. Properties that cannot be made (an environment that is
// being terminated) are left out.
//
// Thread safety: the environment's thread only.
#pragma once

#include <cstdint>
#include <string>

#include "binding/api.h"
#include "core/options.h"

namespace mmcb::binding {

class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) { napi_create_object(env, &object_); }

  ObjectBuilder& set(const char* name, napi_value value) {
    if (object_ != nullptr && value != nullptr) napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  ObjectBuilder& set(const char* name, uint64_t value) { return set(name, js_number(env_, value)); }
  ObjectBuilder& set(const char* name, uint32_t value) { return set(name, js_number(env_, uint64_t{value})); }
  ObjectBuilder& set(const char* name, int32_t value) { return set(name, js_number(env_, value)); }
  ObjectBuilder& set(const char* name, double value) { return set(name, js_number(env_, value)); }
  ObjectBuilder& set(const char* name, const std::string& value) {
    napi_value string = nullptr;
    napi_create_string_utf8(env_, value.data(), value.size(), &string);
    return set(name, string);
  }

  napi_value value() const { return object_ != nullptr ? object_ : js_undefined(env_); }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

// An array of make(item) for each item.
template <typename Items, typename Make>
napi_value js_array(napi_env env, const Items& items, Make&& make) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, items.size(), &array) != napi_ok) return js_undefined(env);
  uint32_t index = 0;
  for (const auto& item : items) {
    if (napi_value value = make(item); value != nullptr) napi_set_element(env, array, index, value);
    index++;
  }
  return array;
}

// Reports, as native.ts describes them (stats.cc).
napi_value js_compaction(napi_env env, const CompactionReport& report);
napi_value js_verify(napi_env env, const VerifyReport& report);

}  // namespace mmcb::binding
