// Why a mutation (mutation.h) is not noticed: it changes nothing that anybody could see. Every survivor has to be here, with
// its reason, or the run fails; and so does an entry that is noticed after all, or names nothing any more.
#pragma once

#include <vector>

namespace mmcb::harness {

struct MutationReason {
  const char* name;  // as the command mutations prints it; a pattern of fnmatch(3)
  const char* reason;
};

const std::vector<MutationReason>& reasons_for_syncs();
const std::vector<MutationReason>& reasons_for_swaps();

}  // namespace mmcb::harness
