// KeyArgument: one key among the arguments of a call, for code that is the same for both kinds of keys.
//
// Thread safety: the environment's thread only.
#pragma once

#include "binding/args.h"
#include "binding/keys.h"

namespace mmcb::binding {

template <Kind kKind>
class KeyArgument;

template <>
class KeyArgument<Kind::kIntKey> {
 public:
  Code read(AddonData& data, napi_value value) {
    double number = 0;
    int64_t integer = 0;
    if (napi_get_value_double(data.env, value, &number) != napi_ok || !read_signed(number, &integer)) {
      return Code::kInvalidArgument;
    }
    key_ = IntKey(integer);
    return Code::kOk;
  }
  Key key() const { return key_.key(); }

 private:
  IntKey key_{0};
};

template <>
class KeyArgument<Kind::kStringKey> {
 public:
  Code read(AddonData& data, napi_value value) { return data.keys.read(data.env, value, &key_); }
  Key key() const { return key_; }

 private:
  Key key_;
};

}  // namespace mmcb::binding
