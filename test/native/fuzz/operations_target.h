// The operations target: calls, sync points and compaction step by step, snapshots, kills, power cuts, failing syncs and
// full disks, in the order that the input says, held against a model.
//
// A case is eight bytes of header and then operations of eight bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mmcb::fuzz {

inline constexpr size_t kOperationsHeader = 8;
inline constexpr size_t kOperation = 8;
inline constexpr size_t kMaxOperations = 160;

// Throws Failure.
void run_operations(const uint8_t* data, size_t size);

}  // namespace mmcb::fuzz
