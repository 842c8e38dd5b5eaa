#include "harness/memory_pool.h"

#include <sys/mman.h>

#include <cstdlib>

#include "core/platform/posix_platform.h"

namespace mmcb::harness {

MemoryPool::~MemoryPool() {
  for (const auto& block : blocks_) posix_platform().release(block->base, block->length);
}

MemoryBlock* MemoryPool::take(uint64_t length, const MemoryBlock* kept) {
  for (const auto& block : blocks_) {
    if (block->taken || block->length != length || block.get() == kept) continue;
    block->taken = true;
    return block.get();
  }
  auto block = std::make_unique<MemoryBlock>();
  if (!posix_platform().reserve(length, &block->base).ok()) return nullptr;
  block->length = length;
  block->taken = true;
  blocks_.push_back(std::move(block));
  return blocks_.back().get();
}

MemoryBlock* MemoryPool::find(const std::byte* address) const {
  for (const auto& block : blocks_) {
    if (block->taken && address >= block->base && address < block->base + block->length) return block.get();
  }
  return nullptr;
}

void MemoryPool::set_accessible(MemoryBlock& block, uint64_t length) {
  constexpr uint64_t kPage = 4096;
  length = (length + kPage - 1) / kPage * kPage;
  if (length > block.accessible) {
    if (mprotect(block.base + block.accessible, length - block.accessible, PROT_READ | PROT_WRITE) != 0) std::abort();
  } else if (length < block.accessible) {
    if (mprotect(block.base + length, block.accessible - length, PROT_NONE) != 0) std::abort();
  }
  block.accessible = length;
}

}  // namespace mmcb::harness
