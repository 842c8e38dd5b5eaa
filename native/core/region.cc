#include "core/region.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "core/address_space.h"

namespace mmcb {
namespace {

constexpr uint64_t kFirstStep = 64 << 10;
constexpr uint64_t kLargestStep = 64ull << 20;
constexpr uint64_t kMaxAlignment = 4096;
// From here on, giving the pages back to the system costs less than writing zeros over them.
constexpr uint64_t kDiscardFrom = 64 << 10;

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

Region::~Region() {
  if (base_ != nullptr) platform_.release(base_, capacity_);
}

Status Region::reserve(uint64_t capacity, uint64_t at_least) {
  assert(base_ == nullptr);
  std::byte* base = nullptr;
  uint64_t reserved = 0;
  MMCB_TRY(reserve_up_to(platform_, round_up(capacity, kFirstStep), round_up(at_least, kFirstStep), &base, &reserved));
  base_ = base;
  capacity_ = reserved;
  return Status();
}

Status Region::commit(uint64_t length) {
  if (length > capacity_) return Status(Code::kNoMemory, "region: its address space is used up");
  // Doubling keeps the number of mappings and calls small; the ceiling keeps the overshoot small.
  const uint64_t step = std::clamp(committed_, kFirstStep, kLargestStep);
  const uint64_t target = std::min(std::max(round_up(length, kFirstStep), committed_ + step), capacity_);
  const uint64_t added = target - committed_;
  // Large pages from the first whole one on: a store with few entries should not pay 2 MiB for each of its regions.
  MMCB_TRY(platform_.commit(base_ + committed_, added, added >= kHugePage));
  committed_ = target;
  return Status();
}

Status Region::allocate(unsigned log2_size, uint64_t* offset) {
  assert(log2_size >= 3 && log2_size < free_.size());
  const uint64_t size = uint64_t{1} << log2_size;
  if (uint64_t& first = free_[log2_size]; first != kNoBlock) {
    *offset = first;
    std::memcpy(&first, base_ + *offset, sizeof first);
    std::memset(base_ + *offset, 0, sizeof first);
  } else {
    const uint64_t start = round_up(next_, std::min(size, kMaxAlignment));
    MMCB_TRY(ensure(start + size));
    *offset = start;
    next_ = start + size;
  }
  used_ += size;
  return Status();
}

void Region::recycle(uint64_t offset, unsigned log2_size) {
  const uint64_t size = uint64_t{1} << log2_size;
  if (size >= kDiscardFrom) {
    platform_.discard(base_ + offset, size);
  } else {
    std::memset(base_ + offset, 0, size);
  }
  std::memcpy(base_ + offset, &free_[log2_size], sizeof offset);
  free_[log2_size] = offset;
  used_ -= size;
}

}  // namespace mmcb
