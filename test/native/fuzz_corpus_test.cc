// Replays the fuzzers' corpus, and every input that ever failed, without a fuzzer: test/native/fuzz/.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "core/step.h"
#include "fuzz/base_images.h"
#include "fuzz/operations_target.h"
#include "fuzz/recovery_target.h"
#include "support/engine_fixture.h"

namespace mmcb::fuzz {
namespace {

// Tests of other files must not see the hooks that a failing case leaves behind.
struct HookGuard {
  ~HookGuard() { step_hook = nullptr; }
};

size_t replay(const char* folder, const char* target, void (*run)(const uint8_t*, size_t)) {
  const std::filesystem::path path = std::filesystem::path(MMCB_FUZZ_FOLDER) / folder / target;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(path)) files.push_back(file.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const std::string bytes = test::read_file(file.string());
    const HookGuard guard;
    std::string failure;
    try {
      run(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    } catch (const Failure& caught) {
      failure = caught.what;
    }
    CHECK_MESSAGE(failure.empty(), file.string() << ": " << failure);
  }
  return files.size();
}

}  // namespace

TEST_CASE("recovery of damaged and forged files: the corpus and all regressions") {
  CHECK(replay("regressions", "recovery", run_recovery) > 0);
  CHECK(replay("corpus", "recovery", run_recovery) > 0);
}

TEST_CASE("operations with crashes in between: the corpus and all regressions") {
  CHECK(replay("regressions", "operations", run_operations) > 0);
  CHECK(replay("corpus", "operations", run_operations) > 0);
}

TEST_CASE("the base images of the recovery fuzzer are all there, and differ") {
  const std::vector<BaseImage>& bases = base_images();
  CHECK(bases.size() >= 17);
  for (size_t i = 1; i < bases.size(); i++) CHECK(bases[i].image != bases[i - 1].image);
}

}  // namespace mmcb::fuzz
