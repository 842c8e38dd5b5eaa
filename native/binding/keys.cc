#include "binding/keys.h"

#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#elif defined(__ARM_NEON) || defined(_M_ARM64)
#include <arm_neon.h>
#endif

namespace mmcb::binding {
namespace {

// Narrows the ASCII units at the start, 16 at a time where the processor can; returns how many.
size_t narrow_ascii(const char16_t* units, size_t length, std::byte* target) {
  size_t i = 0;
#if defined(__SSE2__) || defined(_M_X64)
  const __m128i not_ascii = _mm_set1_epi16(static_cast<short>(0xff80));
  for (; i + 16 <= length; i += 16) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(units + i));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(units + i + 8));
    const __m128i beyond = _mm_and_si128(_mm_or_si128(low, high), not_ascii);
    if (_mm_movemask_epi8(_mm_cmpeq_epi16(beyond, _mm_setzero_si128())) != 0xffff) break;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), _mm_packus_epi16(low, high));
  }
#elif defined(__ARM_NEON) || defined(_M_ARM64)
  for (; i + 16 <= length; i += 16) {
    const uint16x8_t low = vld1q_u16(reinterpret_cast<const uint16_t*>(units + i));
    const uint16x8_t high = vld1q_u16(reinterpret_cast<const uint16_t*>(units + i + 8));
    if (vmaxvq_u16(vorrq_u16(low, high)) >= 0x80) break;
    vst1q_u8(reinterpret_cast<uint8_t*>(target + i), vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
  }
#endif
  for (; i < length && units[i] < 0x80; i++) target[i] = static_cast<std::byte>(units[i]);
  return i;
}

bool is_high_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xd800; }
bool is_low_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xdc00; }

std::byte to_byte(uint32_t value) { return static_cast<std::byte>(value); }

}  // namespace

size_t wtf8_from_utf16(const char16_t* units, size_t length, std::byte* target) {
  size_t i = narrow_ascii(units, length, target);
  std::byte* out = target + i;
  while (i < length) {
    const char16_t unit = units[i++];
    if (unit < 0x80) {
      *out++ = to_byte(unit);
    } else if (unit < 0x800) {
      *out++ = to_byte(0xc0 | unit >> 6);
      *out++ = to_byte(0x80 | (unit & 0x3f));
    } else if (is_high_surrogate(unit) && i < length && is_low_surrogate(units[i])) {
      const uint32_t point = 0x10000 + ((static_cast<uint32_t>(unit) & 0x3ff) << 10 | (units[i++] & 0x3ffu));
      *out++ = to_byte(0xf0 | point >> 18);
      *out++ = to_byte(0x80 | (point >> 12 & 0x3f));
      *out++ = to_byte(0x80 | (point >> 6 & 0x3f));
      *out++ = to_byte(0x80 | (point & 0x3f));
    } else {
      *out++ = to_byte(0xe0 | unit >> 12);
      *out++ = to_byte(0x80 | (unit >> 6 & 0x3f));
      *out++ = to_byte(0x80 | (unit & 0x3f));
    }
  }
  return static_cast<size_t>(out - target);
}

size_t utf16_from_wtf8(const std::byte* bytes, size_t length, char16_t* target) {
  char16_t* out = target;
  // The six bits of a continuation byte; -1 for anything else, the end included.
  const auto continuation = [&](size_t index) -> int32_t {
    if (index >= length) return -1;
    const auto value = static_cast<uint8_t>(bytes[index]);
    return (value & 0xc0) == 0x80 ? value & 0x3f : -1;
  };
  for (size_t i = 0; i < length;) {
    const uint32_t first = static_cast<uint8_t>(bytes[i]);
    const int32_t second = first >= 0xc2 ? continuation(i + 1) : -1;
    const int32_t third = first >= 0xe0 && second >= 0 ? continuation(i + 2) : -1;
    const int32_t fourth = first >= 0xf0 && third >= 0 ? continuation(i + 3) : -1;
    if (first < 0x80) {
      *out++ = static_cast<char16_t>(first);
      i += 1;
    } else if (first >= 0xc2 && first < 0xe0 && second >= 0) {
      *out++ = static_cast<char16_t>((first & 0x1f) << 6 | static_cast<uint32_t>(second));
      i += 2;
    } else if (first >= 0xe0 && first < 0xf0 && third >= 0) {
      const uint32_t unit = (first & 0xf) << 12 | static_cast<uint32_t>(second) << 6 | static_cast<uint32_t>(third);
      *out++ = static_cast<char16_t>(unit);
      i += 3;
    } else if (first >= 0xf0 && first < 0xf5 && fourth >= 0) {
      const uint32_t point = ((first & 7) << 18 | static_cast<uint32_t>(second) << 12 |
                              static_cast<uint32_t>(third) << 6 | static_cast<uint32_t>(fourth)) -
                             0x10000;
      *out++ = static_cast<char16_t>(0xd800 | (point >> 10 & 0x3ff));
      *out++ = static_cast<char16_t>(0xdc00 | (point & 0x3ff));
      i += 4;
    } else {
      *out++ = u'\ufffd';
      i += 1;
    }
  }
  return static_cast<size_t>(out - target);
}

bool is_ascii(const std::byte* bytes, size_t length) {
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    if ((word & 0x8080808080808080ull) != 0) return false;
  }
  for (; i < length; i++) {
    if ((bytes[i] & std::byte{0x80}) != std::byte{0}) return false;
  }
  return true;
}

void KeyBuffer::grow() {
  // A unit takes a byte at least: more units than kMaxKeySize never make a key.
  constexpr size_t kLong = kMaxKeySize + 1;
  // Memory first: the capacity says what both buffers have.
  long_units_ = std::make_unique<char16_t[]>(kLong + 1);
  long_bytes_ = std::make_unique<std::byte[]>(3 * kLong);
  capacity_ = kLong;
  units_ = long_units_.get();
  bytes_ = long_bytes_.get();
}

Code KeyBuffer::convert(napi_env env, napi_value string, size_t* size) {
  for (;;) {
    size_t length = 0;
    if (napi_get_value_string_utf16(env, string, units_, capacity_ + 1, &length) != napi_ok)
      return Code::kInvalidArgument;
    if (length < capacity_) {
      *size = wtf8_from_utf16(units_, length, bytes_);
      return *size <= kMaxKeySize ? Code::kOk : Code::kTooLarge;
    }
    // It may have been cut off.
    if (capacity_ > kMaxKeySize) return Code::kTooLarge;
    grow();
  }
}

Code KeyBuffer::read(napi_env env, napi_value string, Key* key) {
  size_t size = 0;
  const Code code = convert(env, string, &size);
  *key = {Kind::kStringKey, Bytes(bytes_, size)};
  return code;
}

void KeyBuffer::clear() {
  // One huge batch must not keep its memory for good.
  if (many_.capacity() > (1 << 20)) many_ = {};
  if (ends_.capacity() > (1 << 16)) ends_ = {};
  many_.clear();
  ends_.clear();
}

Code KeyBuffer::append(napi_env env, napi_value string) {
  size_t size = 0;
  if (const Code code = convert(env, string, &size); code != Code::kOk) return code;
  many_.insert(many_.end(), bytes_, bytes_ + size);
  ends_.push_back(many_.size());
  return Code::kOk;
}

Code KeyBuffer::append(int64_t number) {
  const IntKey key(number);
  many_.insert(many_.end(), key.key().bytes.begin(), key.key().bytes.end());
  ends_.push_back(many_.size());
  return Code::kOk;
}

Key KeyBuffer::key(Kind kind, size_t index) const {
  const size_t start = index == 0 ? 0 : ends_[index - 1];
  return {kind, Bytes(many_.data() + start, ends_[index] - start)};
}

napi_value KeyBuffer::to_string(napi_env env, Bytes bytes) {
  napi_value string = nullptr;
  if (is_ascii(bytes.data(), bytes.size())) {
    napi_create_string_latin1(env, reinterpret_cast<const char*>(bytes.data()), bytes.size(), &string);
    return string;
  }
  if (bytes.size() > capacity_) grow();
  const size_t length = utf16_from_wtf8(bytes.data(), bytes.size(), units_);
  napi_create_string_utf16(env, units_, length, &string);
  return string;
}

}  // namespace mmcb::binding
