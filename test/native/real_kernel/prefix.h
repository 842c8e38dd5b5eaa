// Which of the states that the numbered calls lead through does a file hold?
#pragma once

#include <cstdint>
#include <string>

#include "harness/contents.h"

namespace mmcb::harness {

// Finds n, from `least` to `most`, such that the contents are the state after the calls of `seed` below n. Returns what is
// wrong with the nearest state, or an empty string. `state` must be that after no call; it becomes that after n.
std::string find_prefix(const Contents& contents, uint64_t seed, uint64_t least, uint64_t most, State* state,
                        uint64_t* n);

}  // namespace mmcb::harness
