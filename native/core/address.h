// Address: what add() returns. It names an entry for good: update, relocation, compaction and reopening do not change it.
//
//    52          32 31                                0
//   +--------------+----------------------------------+
//   |  generation  |              slot                |   53 bits: a safe integer in JavaScript
//   +--------------+----------------------------------+
//
// The slot is an index into the slot table. The generation grows each time the slot is given to another entry, so that
// an address kept after remove() is told from its successor's; it wraps after 2^21 uses of one slot.
#pragma once

#include <cstdint>

namespace mmcb {

inline constexpr unsigned kGenerationBits = 21;
inline constexpr uint32_t kGenerationMask = (1u << kGenerationBits) - 1;
inline constexpr uint32_t kNoSlot = 0xffffffffu;

struct Address {
  uint32_t slot = kNoSlot;
  uint32_t generation = 0;

  static constexpr Address from_integer(uint64_t value) {
    return Address{static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)};
  }
  constexpr uint64_t to_integer() const { return static_cast<uint64_t>(generation) << 32 | slot; }
  bool operator==(const Address&) const = default;
};

// True for integers that can be an address at all.
inline constexpr bool is_address(uint64_t value) { return value >> (32 + kGenerationBits) == 0; }

}  // namespace mmcb
