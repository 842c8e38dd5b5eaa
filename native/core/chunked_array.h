// ChunkedArray: values by number, in chunks of a power of two, so that references stay valid while it grows and a look-up is
// a shift and two loads. (std::deque divides by as many as fit 512 bytes, which is no power of two.)
//
// Thread safety: as std::vector; growing leaves what is there where it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mmcb {

template <typename T>
class ChunkedArray {
 public:
  size_t size() const { return size_; }

  T& operator[](size_t number) { return chunks_[number >> kLog2Chunk][number & kMask]; }
  const T& operator[](size_t number) const { return chunks_[number >> kLog2Chunk][number & kMask]; }

  // What is new is value-initialized. Throws std::bad_alloc, with nothing changed; never where it gets smaller.
  void resize(size_t size) {
    const size_t wanted = (size + kMask) >> kLog2Chunk;
    const size_t before = chunks_.size();
    try {
      if (wanted > before) chunks_.reserve(wanted);
      while (chunks_.size() < wanted) chunks_.push_back(std::make_unique<T[]>(kChunk));
    } catch (...) {
      chunks_.resize(before);
      throw;
    }
    for (size_t number = size_; number < size && number < before << kLog2Chunk; number++) (*this)[number] = T{};
    chunks_.resize(wanted);
    size_ = size;
  }

  void clear() {
    chunks_.clear();
    size_ = 0;
  }

 private:
  static constexpr unsigned kLog2Chunk = 6;
  static constexpr size_t kChunk = size_t{1} << kLog2Chunk;
  static constexpr size_t kMask = kChunk - 1;

  std::vector<std::unique_ptr<T[]>> chunks_;
  size_t size_ = 0;
};

}  // namespace mmcb
