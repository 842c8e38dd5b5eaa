// Keys: between JavaScript and the bytes that the engine stores.
//
// An integer key is 8 little-endian bytes. A string key is UTF-8, in which a lone surrogate takes three bytes of its own
// (WTF-8), so that any two different JavaScript strings have different keys, and each comes back as it was.
//
// Thread safety: conversions are pure; a KeyBuffer belongs to one environment.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "binding/api.h"
#include "core/engine.h"

namespace mmcb::binding {

// Bytes written for `length` UTF-16 units. Precondition: `target` has room for 3 * length bytes.
size_t wtf8_from_utf16(const char16_t* units, size_t length, std::byte* target);
// UTF-16 units written for `length` bytes; what is not WTF-8 becomes U+FFFD. Precondition: room for `length` units.
size_t utf16_from_wtf8(const std::byte* bytes, size_t length, char16_t* target);
bool is_ascii(const std::byte* bytes, size_t length);

class IntKey {
 public:
  explicit IntKey(int64_t value) {
    for (size_t i = 0; i < bytes_.size(); i++)
      bytes_[i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * i));
  }
  Key key() const { return {Kind::kIntKey, bytes_}; }

  static int64_t decode(const std::byte* bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < kSize; i++) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    return static_cast<int64_t>(value);
  }
  static constexpr size_t kSize = 8;

 private:
  std::array<std::byte, kSize> bytes_;
};

class KeyBuffer {
 public:
  // Reads a JavaScript string as a key. Its bytes hold until the next call. kInvalidArgument where it is no string,
  // kTooLarge above 65535 bytes.
  Code read(napi_env env, napi_value string, Key* key);

  // Reads many; key(i) holds until the next append() or clear().
  void clear();
  Code append(napi_env env, napi_value string);
  Code append(int64_t number);
  size_t count() const { return ends_.size(); }
  Key key(Kind kind, size_t index) const;

  // Makes a JavaScript string of key bytes. Precondition: at most kMaxKeySize bytes.
  napi_value to_string(napi_env env, Bytes bytes);

 private:
  Code convert(napi_env env, napi_value string, size_t* size);
  void grow();

  static constexpr size_t kShort = 256;
  // Most keys fit into the first pair; the second comes with the first long key.
  std::array<char16_t, kShort + 1> short_units_;
  std::array<std::byte, 3 * kShort> short_bytes_;
  std::unique_ptr<char16_t[]> long_units_;
  std::unique_ptr<std::byte[]> long_bytes_;
  char16_t* units_ = short_units_.data();
  std::byte* bytes_ = short_bytes_.data();
  size_t capacity_ = kShort;

  std::vector<std::byte> many_;
  std::vector<size_t> ends_;  // of each key in many_
};

}  // namespace mmcb::binding
