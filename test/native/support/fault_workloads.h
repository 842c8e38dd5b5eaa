// What is done to a store while faults strike: short scripts that between them make every kind of call of the engine, each
// from a file in a state of its own. A script goes on when calls fail.
#pragma once

#include <functional>
#include <vector>

#include "support/faulted_store.h"

namespace mmcb::test {

struct FaultWorkload {
  const char* name;
  Options options;
  // Makes the file, without faults, and leaves it closed or killed. Null: there is no file.
  std::function<void(FaultedStore&)> prepare;
  // Begins with open().
  std::function<void(FaultedStore&)> body;
  bool in_memory = false;  // on MemoryPlatform: nothing to open again
};

const std::vector<FaultWorkload>& fault_workloads();

}  // namespace mmcb::test
