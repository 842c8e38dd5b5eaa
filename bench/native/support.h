// What the native benchmarks share: keys, values and orders from fixed seeds, and checks that end the program.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "core/platform/posix_platform.h"
#include "core/sync_machine.h"

namespace mmcb::bench {

inline constexpr uint64_t kSeed = 1;
inline constexpr size_t kValueSize = 100;

// A benchmark of what did not work would be a fast one.
inline void must(const Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s: %s\n", what, code_name(status.code()), status.message().c_str());
  std::abort();
}
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

inline Bytes bytes(std::string_view text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

struct IntKey {
  explicit IntKey(int64_t value) : number(value) {}
  operator Key() const { return {Kind::kIntKey, {reinterpret_cast<const std::byte*>(&number), sizeof number}}; }
  int64_t number;
};

// Keys of 16 characters, of one length as identifiers mostly are. Made before the clock starts.
class StringKeys {
 public:
  explicit StringKeys(uint64_t count) : text_(count * kLength, '0') {
    for (uint64_t i = 0; i < count; ++i) {
      text_.replace(i * kLength, 4, "key:");
      size_t digit = (i + 1) * kLength;
      for (uint64_t left = i; left != 0; left /= 10) text_[--digit] = static_cast<char>('0' + left % 10);
    }
  }
  Key operator[](uint64_t i) const { return {Kind::kStringKey, bytes({&text_[i * kLength], kLength})}; }

 private:
  static constexpr size_t kLength = 16;
  std::string text_;
};

// The numbers below `count`, each once, in random order.
inline std::vector<uint32_t> shuffled(uint64_t count, uint64_t seed = kSeed) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

// A value for each entry; only its beginning differs, which costs nothing to make and is enough to be told apart.
class Value {
 public:
  explicit Value(size_t size = kValueSize) : text_(size, ' ') {
    std::mt19937_64 random(kSeed);
    for (char& c : text_) c = static_cast<char>(random());
  }
  Bytes of(uint64_t entry) {
    std::memcpy(text_.data(), &entry, std::min(sizeof entry, text_.size()));
    return bytes(text_);
  }

 private:
  std::string text_;
};

// Room for a value that is read, and whether it is the right one.
class Target {
 public:
  MutableBytes room() { return {reinterpret_cast<std::byte*>(text_.data()), text_.size()}; }
  bool is_of(uint64_t entry, uint64_t size = kValueSize) const {
    return size == kValueSize && std::memcmp(text_.data(), &entry, sizeof entry) == 0;
  }

 private:
  std::string text_ = std::string(kValueSize, ' ');
};

}  // namespace mmcb::bench
