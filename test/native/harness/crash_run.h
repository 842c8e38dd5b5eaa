// CrashRun: the life of one file, by seed. A workload runs; at random steps of the engine images of the file are taken and
// checked on the side; at others the world stops for real, and the run goes on from what is left: generation after
// generation, also out of crashes inside recovery.
#pragma once

#include <cstdint>
#include <memory>

#include "harness/image_checker.h"
#include "harness/workload.h"
#include "harness/world.h"

namespace mmcb::harness {

Profile profile_of_seed(uint64_t seed);

class CrashRun final : public StepListener {
 public:
  CrashRun(uint64_t seed, const Profile& profile, Counters& counters);

  // Runs until that many images have been checked. Throws Failure.
  void run(uint64_t images);
  uint64_t steps() const { return steps_; }
  Step last_step() const { return last_step_; }

 private:
  void on_step(Step step) override;
  void check_side_image();
  bool pages_may_go() const;
  void remember_copy();
  // The file is deleted, and made anew.
  void start_over();
  // Goes on from a crash, through further ones inside recovery if chance wants it.
  void survive(Crash crash);
  void arm_generation();

  Random random_;
  const Profile profile_;
  Counters& counters_;
  World world_;
  SimulatedDisk disk_;
  ImageChecker checker_;
  Workload workload_;
  uint64_t steps_ = 0;
  Step last_step_ = Step::kCount;
  uint64_t until_image_ = 0;
  uint64_t until_crash_ = 0;  // 0: none in this opening
  uint64_t next_boot_ = 2;
  std::unique_ptr<OldCopy> copy_;
};

// Every subset of the unwritten pages at every step of a small workload. `last_step` says where it stopped. Throws Failure.
void run_exhaustive(uint64_t seed, Counters& counters, Step* last_step);

}  // namespace mmcb::harness
