// Calls: what the threads of a child do to the file. The i-th call of a lane is a function of lane and i, so that the parent
// knows it without being told. Lanes have keys of their own.
//
// Thread safety: pure, but for make(), which belongs to the thread of its lane.
#pragma once

#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "harness/contents.h"
#include "harness/oracle.h"

namespace mmcb::harness::killing {

struct Call {
  enum class Type : uint8_t { kSet, kErase, kBatch };
  static constexpr size_t kTypes = 3;
  Type type;
  std::vector<Change> changes;
};

Call call_at(unsigned lane, uint64_t index);
void apply(const Call& call, State* state);
// Makes the call; dies where it fails.
void make(Engine& engine, const Call& call);

// Whether a call that never returned is in the file. All of it or nothing: anything else makes difference() fail, whatever
// is said here. `state`: before the call.
bool is_there(const Call& call, const Contents& contents, const State& state);

}  // namespace mmcb::harness::killing
