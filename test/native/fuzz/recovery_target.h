// The recovery target: opens a damaged or forged file, and holds the engine to what was promised.
//
// A case is eight bytes of header and then edits of eight bytes (image_edits.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace mmcb::fuzz {

inline constexpr size_t kRecoveryHeader = 8;
inline constexpr size_t kRecoveryEdit = 8;

// Throws Failure.
void run_recovery(const uint8_t* data, size_t size);

}  // namespace mmcb::fuzz
