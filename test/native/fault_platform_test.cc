// I/O faults by the i-th call: every workload, every kind of system call, every call of it, once and from then on.
#include "core/backup.h"
#include "fault_loop.h"

using namespace mmcb;
using namespace mmcb::test;

namespace {

// Few enough that the loop cannot have lost half of what it did when it was written.
constexpr uint64_t kLeastRuns = 2000 / kFaultStride;
constexpr uint64_t kLeastRunsWithoutMemory = 600 / kFaultStride;

FaultCounts fail_every_call(bool without_memory) {
  FaultCounts counts;
  for (const FaultWorkload& workload : fault_workloads()) {
    const uint64_t hit_before = counts.hit;
    FaultLoop loop(workload, counts);
    for (size_t call = 0; call < kSystemCalls; call++) loop.fail_each(static_cast<SystemCall>(call), without_memory);
    CHECK_MESSAGE(counts.hit > hit_before + 5 / kFaultStride, std::string(workload.name));
  }
  for (size_t call = 0; call < kSystemCalls; call++) {
    // The engine starts no threads: fault_store_test.cc.
    if (static_cast<SystemCall>(call) == SystemCall::kStartThread) continue;
    CHECK_MESSAGE(counts.by_call[call] > 0, std::string(name_of(static_cast<SystemCall>(call))) << " has never failed");
  }
  return counts;
}

}  // namespace

TEST_CASE("faults: the i-th system call fails, and nothing that was acknowledged is lost") {
  const FaultCounts counts = fail_every_call(false);
  MESSAGE(counts.text());
  CHECK(counts.hit >= kLeastRuns);
}

TEST_CASE("faults: the i-th system call fails, and from then on there is no memory either") {
  const FaultCounts counts = fail_every_call(true);
  MESSAGE(counts.text());
  CHECK(counts.hit >= kLeastRunsWithoutMemory);
}

TEST_CASE("faults: a backup replaces nothing when it cannot tell whether something is there") {
  TemporaryFolder folder;
  FailingPlatform platform;
  Faults& faults = platform.faults();
  EngineUnderTest source(folder.path("a.mmcb"), small_options());
  REQUIRE(source->set(IntKey(1), bytes("one"), nullptr).ok());
  const std::string target = folder.path("b.mmcb");
  write_file(target, "precious");
  const auto backup = [&](bool overwrite) { return Backup(*source, platform).run(target, overwrite, nullptr); };
  CHECK(backup(false).system_error() == EEXIST);
  for (const int error : {EMFILE, EACCES, EIO}) {
    for (const bool overwrite : {false, true}) {
      faults.arm({SystemCall::kOpen, 1, false, false, error});
      const Faults::Scope scope(faults);
      CHECK(backup(overwrite).system_error() == error);
      CHECK(read_file(target) == "precious");
    }
  }
  faults.disarm();
  CHECK(backup(true).ok());
  CHECK(read_file(target) != "precious");
}
