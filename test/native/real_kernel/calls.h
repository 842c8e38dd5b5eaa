// The numbered calls that the writer makes and the checker knows: the i-th is a function of a seed and i.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/engine.h"
#include "harness/contents.h"
#include "harness/oracle.h"

namespace mmcb::harness {

struct Call {
  enum class Type : uint8_t { kSet, kErase, kBatch };
  Type type = Type::kSet;
  std::vector<Change> changes;
};

Call call_at(uint64_t seed, uint64_t index);
void apply(const Call& call, State* state);
Status make(Engine& engine, const Call& call);

// Finds n, from `least` to `most`, such that the contents are the state after the calls below n. Returns what is wrong
// with the nearest state, or an empty string. `state` must be that after no call; it becomes that after n.
std::string find_prefix(const Contents& contents, uint64_t seed, uint64_t least, uint64_t most, State* state,
                        uint64_t* n);

}  // namespace mmcb::harness
