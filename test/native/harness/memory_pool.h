// MemoryPool: address space that is used again and again, so that opening an engine a million times costs no system calls.
// Blocks keep their memory when they are given back; only where the accessible part of one changes its length is the
// system asked, and what lies behind it still faults when it is touched.
//
// Single-threaded. Blocks live as long as the pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mmcb::harness {

struct MemoryBlock {
  std::byte* base = nullptr;
  uint64_t length = 0;
  uint64_t accessible = 0;  // readable and writable from the start up to here
  bool taken = false;
};

class MemoryPool {
 public:
  MemoryPool() = default;
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // A block of that length, other than `kept`, with whatever its last user left in it; null where there is no memory.
  MemoryBlock* take(uint64_t length, const MemoryBlock* kept);
  // The taken block that holds the address, or null.
  MemoryBlock* find(const std::byte* address) const;
  // Makes the block accessible exactly up to `length`, rounded up to a page.
  static void set_accessible(MemoryBlock& block, uint64_t length);

 private:
  std::vector<std::unique_ptr<MemoryBlock>> blocks_;
};

}  // namespace mmcb::harness
