// Children: the programs that are killed.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"
#include "kill/shared.h"

namespace mmcb::harness::killing {

// A Store with all its threads, and `lanes` threads that write to it; another one compacts if `compact`.
[[noreturn]] void run_store(const std::string& path, const Options& options, unsigned lanes, bool compact,
                            Shared& shared);

// An Engine whose sync points and compactions one of the writing threads drives, step by step. It kills itself at the step
// that `shared` says.
[[noreturn]] void run_steps(const std::string& path, const Options& options, unsigned lanes, uint64_t seed,
                            Shared& shared);

}  // namespace mmcb::harness::killing
