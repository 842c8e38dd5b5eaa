// Random: the only source of chance in the harness, so that a seed replays a run bit by bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mmcb::harness {

// xorshift128+ (Vigna): fast, and good enough to choose with.
class Random {
 public:
  explicit Random(uint64_t seed) : a_(seed * 0x9e3779b97f4a7c15ull + 1), b_(seed ^ 0xd1b54a32d192ed03ull) {
    for (int i = 0; i < 8; i++) next();
  }

  uint64_t next() {
    uint64_t x = a_;
    const uint64_t y = b_;
    a_ = y;
    x ^= x << 23;
    b_ = x ^ y ^ (x >> 17) ^ (y >> 26);
    return b_ + y;
  }
  // In [0, bound); bound > 0.
  uint64_t below(uint64_t bound) { return (next() >> 32) * bound >> 32; }
  // In [low, high].
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool one_in(uint64_t n) { return below(n) == 0; }
  bool percent(uint64_t p) { return below(100) < p; }

  void fill(void* target, size_t length) {
    auto* at = static_cast<unsigned char*>(target);
    for (size_t i = 0; i < length; i += 8) {
      const uint64_t word = next();
      std::memcpy(at + i, &word, length - i < 8 ? length - i : 8);
    }
  }

 private:
  uint64_t a_;
  uint64_t b_;
};

}  // namespace mmcb::harness
