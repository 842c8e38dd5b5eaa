// Call: the arguments of an exported function, and its answer. Everything is inline: a hot call costs about as much as
// the Node-API functions it makes (10 ns for nothing, 3 for each number, 20 for a typed array).
//
// Thread safety: the environment's thread only.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "binding/addon_data.h"
#include "binding/error_bridge.h"
#include "core/address.h"
#include "core/engine.h"

namespace mmcb::binding {

inline constexpr double kMaxSafeInteger = 9007199254740991.0;

// False for anything but a whole number from 0 to 2^53 - 1.
inline bool read_unsigned(double value, uint64_t* result) {
  if (!(value >= 0 && value <= kMaxSafeInteger)) return false;
  *result = static_cast<uint64_t>(value);
  return static_cast<double>(*result) == value;
}

// False for anything but a safe integer.
inline bool read_signed(double value, int64_t* result) {
  if (!(value >= -kMaxSafeInteger && value <= kMaxSafeInteger)) return false;
  *result = static_cast<int64_t>(value);
  return static_cast<double>(*result) == value;
}

// kInvalidArgument for what is no whole number, kNotFound for one that no address can be.
inline Code read_address(double value, Address* address) {
  uint64_t integer = 0;
  if (!read_unsigned(value, &integer)) {
    return value > kMaxSafeInteger && value == std::floor(value) ? Code::kNotFound : Code::kInvalidArgument;
  }
  if (!is_address(integer)) return Code::kNotFound;
  *address = Address::from_integer(integer);
  return Code::kOk;
}

// The bytes of a Uint8Array (a Buffer is one). A detached one is empty.
inline bool read_bytes(napi_env env, napi_value value, MutableBytes* bytes) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
  if (type != napi_uint8_array && type != napi_uint8_clamped_array) return false;
  *bytes = MutableBytes(static_cast<std::byte*>(data), data == nullptr ? 0 : length);
  return true;
}

inline bool read_doubles(napi_env env, napi_value value, std::span<double>* doubles) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
  if (type != napi_float64_array) return false;
  *doubles = std::span(static_cast<double*>(data), data == nullptr ? 0 : length);
  return true;
}

template <size_t kCount>
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kCount;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    data_ = static_cast<AddonData*>(data);
  }

  napi_env env() const { return env_; }
  AddonData& data() const { return *data_; }
  napi_value operator[](size_t index) const { return values_[index]; }

  // The handle that argument 0 names; null where there is none (any more).
  Handle* handle() const {
    int32_t number = 0;
    if (napi_get_value_int32(env_, values_[0], &number) != napi_ok) return nullptr;
    return data_->handles.find(number);
  }

  // Readers of arguments. Each returns false (or a code) for what is not that.
  bool number(size_t index, double* value) const {
    return napi_get_value_double(env_, values_[index], value) == napi_ok;
  }
  bool position(size_t index, uint64_t* value) const {
    double read = 0;
    return number(index, &read) && read_unsigned(read, value);
  }
  Code address(size_t index, Address* address) const {
    double value = 0;
    return number(index, &value) ? read_address(value, address) : Code::kInvalidArgument;
  }
  bool bytes(size_t index, MutableBytes* bytes) const { return read_bytes(env_, values_[index], bytes); }
  bool bytes(size_t index, Bytes* bytes) const {
    MutableBytes read;
    if (!read_bytes(env_, values_[index], &read)) return false;
    *bytes = read;
    return true;
  }
  bool doubles(size_t index, std::span<double>* doubles) const { return read_doubles(env_, values_[index], doubles); }
  bool kind(size_t index, KindFilter* kind) const {
    int32_t value = -1;
    if (napi_get_value_int32(env_, values_[index], &value) != napi_ok) return false;
    *kind = static_cast<KindFilter>(value);
    return value == 0 || value == 1 || value == 2 || value == 255;
  }
  bool flag(size_t index) const {
    bool value = false;
    return napi_get_value_bool(env_, values_[index], &value) == napi_ok && value;
  }
  bool string(size_t index, std::string* text) const {
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) return false;
    text->resize(length + 1);
    if (napi_get_value_string_utf8(env_, values_[index], text->data(), length + 1, &length) != napi_ok) return false;
    text->resize(length);
    return true;
  }

  // Answers of hot calls: a number, or a negated code.
  napi_value closed() const { return negated(env_, Code::kClosed); }
  napi_value fails(Handle* handle, Code code) const { return fails(handle, Status(code)); }
  napi_value fails(Handle* handle, Status status) const {
    const Code code = status.code();
    handle->last = std::move(status);
    return negated(env_, code);
  }
  napi_value answers(Handle* handle, Status status, uint64_t value) const {
    return status.ok() ? js_number(env_, value) : fails(handle, std::move(status));
  }

  // Does `one` for 0, 1, ... up to `count`: how many were done, or the failure of the first. That of another one is in
  // handle.last.
  template <typename One>
  napi_value does_many(Handle* handle, uint64_t count, One&& one) const {
    for (size_t done = 0; done < count; done++) {
      Status status = one(done);
      if (status.ok()) continue;
      const napi_value failed = fails(handle, std::move(status));
      return done == 0 ? failed : js_number(env_, uint64_t{done});
    }
    return js_number(env_, count);
  }

  // Answer of cold calls that fail.
  napi_value throws(Status status) const { return throw_status(*data_, status); }

 private:
  napi_env env_;
  AddonData* data_ = nullptr;
  napi_value values_[kCount == 0 ? 1 : kCount];
};

}  // namespace mmcb::binding
