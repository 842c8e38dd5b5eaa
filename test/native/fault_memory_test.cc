// The i-th allocation fails: every workload, every allocation of the engine, once and from then on.
#include "fault_loop.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

constexpr uint64_t kLeastRuns = 1000 / kFaultStride;

}  // namespace

TEST_CASE("faults: the i-th allocation fails, the call says so and has changed nothing") {
  FaultCounts counts;
  for (const FaultWorkload& workload : fault_workloads()) {
    const uint64_t hit_before = counts.hit;
    FaultLoop loop(workload, counts);
    loop.fail_each_allocation();
    CHECK_MESSAGE(counts.hit > hit_before + 5 / kFaultStride, std::string(workload.name));
  }
  MESSAGE(counts.text());
  CHECK(counts.hit >= kLeastRuns);
}
