// Reserving address space where there may be little of it: `ulimit -v`, small containers, programs that watch every access.
//
// Thread safety: as Platform.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/platform/platform.h"
#include "core/status.h"

namespace mmcb {

// Reserves `wanted` bytes. Where they cannot be had, half of what can be had is taken and the rest left to those who ask
// next: the other tables of this store, other stores, the program. kNoMemory where not even `at_least` bytes are there.
// Sizes are halved on the way down, so what is taken may be up to four times less than what there was.
Status reserve_up_to(Platform& platform, uint64_t wanted, uint64_t at_least, std::byte** base, uint64_t* reserved);

}  // namespace mmcb
