// Input: the bytes of one fuzz case, taken from the front. Behind the end there are zeros, so that every prefix of a case
// is a case. And Failure: what a target throws when a promise is broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace mmcb::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  uint8_t u8() { return take<uint8_t>(); }
  uint16_t u16() { return take<uint16_t>(); }
  uint32_t u32() { return take<uint32_t>(); }

 private:
  template <typename T>
  T take() {
    T value = 0;
    const size_t length =
        static_cast<size_t>(end_ - at_) < sizeof value ? static_cast<size_t>(end_ - at_) : sizeof value;
    if (length != 0) std::memcpy(&value, at_, length);
    at_ += length;
    return value;
  }

  const uint8_t* at_;
  const uint8_t* end_;
};

struct Failure {
  std::string what;
};

[[noreturn]] inline void fail(std::string what) { throw Failure{std::move(what)}; }

// Tells what a case does, step by step, where MMCB_FUZZ_EXPLAIN is set.
inline bool explaining() {
  static const bool on = std::getenv("MMCB_FUZZ_EXPLAIN") != nullptr;
  return on;
}
template <typename... Values>
void explain(const char* format, Values... values) {
  if (!explaining()) return;
  std::fprintf(stderr, format, values...);
  std::fputc('\n', stderr);
}

// A small generator for what need not be chosen byte by byte.
class Dice {
 public:
  explicit Dice(uint64_t seed) : x_(seed * 0x9e3779b97f4a7c15ull + 0x2545f4914f6cdd1dull) {}
  uint64_t next() {
    x_ ^= x_ << 13;
    x_ ^= x_ >> 7;
    x_ ^= x_ << 17;
    return x_ * 0x2545f4914f6cdd1dull;
  }
  uint64_t below(uint64_t bound) { return (next() >> 33) % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t x_;
};

}  // namespace mmcb::fuzz
