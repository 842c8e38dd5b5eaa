// Calls by number: the i-th call is a function of i and of who makes it, so that whoever checks the file afterwards knows what
// must be there without being told.
//
// Thread safety: pure, but for make(), which belongs to the thread of its lane.
#pragma once

#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "harness/oracle.h"

namespace mmcb::harness {

struct Call {
  enum class Type : uint8_t { kSet, kErase, kBatch };
  static constexpr size_t kTypes = 3;
  Type type = Type::kSet;
  std::vector<Change> changes;  // in order: a batch may remove what it has just set
};

// Lanes are threads that write to one file; they have keys of their own.
struct Caller {
  uint64_t seed = 0;
  unsigned lane = 0;
  unsigned lanes = 1;
};

Call call_at(const Caller& caller, uint64_t index);
Status make(Engine& engine, const Call& call);

}  // namespace mmcb::harness
