#include "core/region.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "core/platform/posix_platform.h"

using mmcb::Code;
using mmcb::posix_platform;
using mmcb::Region;

namespace {

bool is_zero(const std::byte* from, uint64_t length) {
  return std::all_of(from, from + length, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

TEST_CASE("a region grows in place") {
  Region region(posix_platform());
  REQUIRE(region.reserve(1ull << 30).ok());
  std::byte* const base = region.data();
  CHECK(reinterpret_cast<uintptr_t>(base) % (2u << 20) == 0);
  CHECK(region.committed() == 0);
  REQUIRE(region.ensure(1).ok());
  base[0] = std::byte{7};
  const uint64_t small = region.committed();
  CHECK(small >= 1);
  CHECK(small <= 1u << 20);
  REQUIRE(region.ensure(200u << 20).ok());
  CHECK(region.committed() >= 200u << 20);
  CHECK(region.committed() <= 264u << 20);
  CHECK(region.data() == base);
  CHECK(base[0] == std::byte{7});
  base[(200u << 20) - 1] = std::byte{1};
}

TEST_CASE("a region ends at its capacity") {
  Region region(posix_platform());
  REQUIRE(region.reserve(1 << 20).ok());
  CHECK(region.ensure(1 << 20).ok());
  CHECK(region.ensure((1 << 20) + 1).code() == Code::kNoMemory);
  CHECK(region.committed() == 1 << 20);

  Region blocks(posix_platform());
  REQUIRE(blocks.reserve(1 << 20).ok());
  uint64_t offset = 0;
  REQUIRE(blocks.allocate(19, &offset).ok());
  REQUIRE(blocks.allocate(19, &offset).ok());
  CHECK(blocks.allocate(19, &offset).code() == Code::kNoMemory);
  CHECK(blocks.allocate(3, &offset).code() == Code::kNoMemory);
  CHECK(blocks.used() == 1 << 20);
  blocks.recycle(offset, 19);
  CHECK(blocks.used() == 1 << 19);
  CHECK(blocks.allocate(19, &offset).ok());
}

TEST_CASE("a region refuses address space that cannot be had") {
  Region region(posix_platform());
  CHECK(region.reserve(1ull << 60).code() == Code::kNoMemory);
}

TEST_CASE("blocks of a region are zeroed, aligned, apart from each other, and used again") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Region region(posix_platform());
  REQUIRE(region.reserve(1ull << 32).ok());
  struct Block {
    uint64_t offset;
    unsigned log2_size;
  };
  std::vector<Block> blocks;
  std::map<uint64_t, uint64_t> taken;  // offset -> end
  uint64_t used = 0;
  for (int round = 0; round < 4000; ++round) {
    if (blocks.size() < 40 || random() % 2 == 0) {
      const auto log2_size = static_cast<unsigned>(3 + random() % 16);
      const uint64_t size = 1ull << log2_size;
      uint64_t offset = 0;
      REQUIRE(region.allocate(log2_size, &offset).ok());
      REQUIRE(offset % std::min<uint64_t>(size, 4096) == 0);
      REQUIRE(is_zero(region.data() + offset, size));
      const auto next = taken.lower_bound(offset);
      if (next != taken.end()) REQUIRE(offset + size <= next->first);
      if (next != taken.begin()) REQUIRE(std::prev(next)->second <= offset);
      taken[offset] = offset + size;
      std::memset(region.data() + offset, 0xa5, size);
      blocks.push_back({offset, log2_size});
      used += size;
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const Block block = blocks.back();
      blocks.pop_back();
      region.recycle(block.offset, block.log2_size);
      taken.erase(block.offset);
      used -= 1ull << block.log2_size;
    }
    REQUIRE(region.used() == used);
  }
  // Sizes come back equally often, so recycling keeps the region near what was in use at once.
  CHECK(region.committed() < 512u << 20);
}
