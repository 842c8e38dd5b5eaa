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

TEST_CASE("faults: verify without memory for what it finds leaves no snapshot open") {
  TemporaryFolder folder;
  const std::string path = folder.path("a.mmcb");
  EngineUnderTest store(path, small_options());
  const std::string value = random_text(300, 7);
  REQUIRE(store->set(IntKey(1), bytes(value), nullptr).ok());
  {
    // As a disk would damage it, under the mapping.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(read_file(path).find(value)));
    file.put(static_cast<char>(value[0] ^ 1));
  }
  uint64_t refused = 0;
  for (uint64_t nth = 1;; nth++) {
    CAPTURE(nth);
    VerifyReport report;
    MemoryFaults::arm(nth, true);
    Status status;
    {
      const MemoryFaults::Scope scope;
      status = Verifier(*store).run(nullptr, &report);
    }
    MemoryFaults::disarm();
    CHECK_FALSE(store->has_snapshots());
    if (MemoryFaults::hits() == 0) {
      CHECK(status.ok());
      CHECK_FALSE(report.errors.empty());
      break;
    }
    CHECK(status.code() == Code::kNoMemory);
    refused++;
  }
  CHECK(refused > 4);
}
