// SegmentSet: numbers of segments, as bits. Once there is room, nothing it does allocates: segments are taken, filled and
// freed in the middle of changes that must not fail any more.
//
// Thread safety: serialised by the engine's write lock.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace mmcb {

class SegmentSet {
 public:
  static constexpr uint32_t kNone = 0xffffffffu;

  // Makes room for numbers below `count`. Throws std::bad_alloc; the set is as it was then.
  void reserve(uint64_t count) {
    const uint64_t words = (count + 63) / 64;
    if (words > words_.size()) words_.resize(words);
  }

  // Precondition: there is room for it.
  void insert(uint32_t number) {
    uint64_t& word = words_[number / 64];
    size_ += (word >> number % 64 & 1) ^ 1;
    word |= uint64_t{1} << number % 64;
  }
  void erase(uint32_t number) {
    if (!contains(number)) return;
    words_[number / 64] &= ~(uint64_t{1} << number % 64);
    size_--;
  }
  bool contains(uint32_t number) const {
    return number / 64 < words_.size() && (words_[number / 64] >> number % 64 & 1) != 0;
  }
  void clear() {
    for (uint64_t& word : words_) word = 0;
    size_ = 0;
  }

  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The lowest number at or above `from`, or kNone.
  uint32_t next(uint64_t from) const {
    for (uint64_t at = from / 64; at < words_.size(); at++) {
      uint64_t word = words_[at];
      if (at == from / 64) word &= ~uint64_t{0} << from % 64;
      if (word != 0) return static_cast<uint32_t>(at * 64 + static_cast<uint64_t>(std::countr_zero(word)));
    }
    return kNone;
  }

 private:
  std::vector<uint64_t> words_;
  uint64_t size_ = 0;
};

}  // namespace mmcb
