// Region: a growable run of anonymous memory at a fixed address, with a small allocator inside.
//
// The slot table and the key indexes live in regions and refer to places by offset, never by pointer, so that a region
// can later lie in a file that other processes map.
//
// Thread safety: allocate() and recycle() are serialised by the caller (the engine's write lock); data() never changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/platform/platform.h"
#include "core/status.h"

namespace mmcb {

class Region {
 public:
  explicit Region(Platform& platform) : platform_(platform) { free_.fill(kNoBlock); }
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Reserves `capacity` bytes of address space. Call once, before anything else.
  Status reserve(uint64_t capacity) { return reserve(capacity, capacity); }
  // The same, or less where that cannot be had, but never less than `at_least`.
  Status reserve(uint64_t capacity, uint64_t at_least);
  uint64_t capacity() const { return capacity_; }

  std::byte* data() const { return base_; }
  uint64_t committed() const { return committed_; }

  // Extends the committed prefix to at least `length` bytes (zeros), in geometric steps of at most 64 MiB.
  Status ensure(uint64_t length) { return length <= committed_ ? Status() : commit(length); }

  // Hands out 2^log2_size bytes, zeroed, aligned to min(2^log2_size, 4096). kNoMemory where the region is full.
  // Preconditions: 3 <= log2_size < 48; ensure() is not used on the same region.
  Status allocate(unsigned log2_size, uint64_t* offset);
  // Takes back what allocate() gave. Precondition: no reader can still look at it.
  void recycle(uint64_t offset, unsigned log2_size);

  // Bytes handed out and not recycled, for stats().
  uint64_t used() const { return used_; }

 private:
  static constexpr uint64_t kNoBlock = UINT64_MAX;

  Status commit(uint64_t length);

  Platform& platform_;
  std::byte* base_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t committed_ = 0;
  uint64_t next_ = 0;
  uint64_t used_ = 0;
  // By log2 size, the first recycled block; each begins with the offset of the next and is zeros otherwise.
  std::array<uint64_t, 48> free_;
};

}  // namespace mmcb
