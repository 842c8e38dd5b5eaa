#include "harness/mutation_reasons.h"

namespace mmcb::harness {

const std::vector<MutationReason>& reasons_for_syncs() {
  static const std::vector<MutationReason> reasons = {};
  return reasons;
}

const std::vector<MutationReason>& reasons_for_swaps() {
  static const std::vector<MutationReason> reasons = {};
  return reasons;
}

}  // namespace mmcb::harness
