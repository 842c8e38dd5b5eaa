// CompactionTrigger: when the policies 'time' and 'space' want a file compacted, and how far. It goes by figures alone, and
// remembers those of the last time.
//
// Thread safety: one thread at a time, the store's maintenance thread.
#pragma once

#include <cstdint>
#include <optional>

#include "core/compactor.h"
#include "core/options.h"

namespace mmcb {

class CompactionTrigger {
 public:
  // Asked at intervals, with the figures of now: what to compact, or nothing.
  std::optional<Compactor::Goal> ask(const Options& options, const Stats& now);

 private:
  // Counted when it was last asked.
  uint64_t adds_ = 0;
  uint64_t removes_ = 0;
  uint64_t shrunk_at_ = ~0ull;  // removals counted when the file was last moved together
};

}  // namespace mmcb
