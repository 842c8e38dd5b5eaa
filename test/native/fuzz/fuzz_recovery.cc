// libFuzzer's entry points of the recovery target.

#include "fuzz/base_images.h"
#include "fuzz/mutate.h"
#include "fuzz/recovery_target.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)mmcb::fuzz::base_images();  // without the bug
  mmcb::fuzz::switch_on_bug();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return mmcb::fuzz::guarded(mmcb::fuzz::run_recovery, data, size);
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return mmcb::fuzz::mutate_records(data, size, max_size, seed, mmcb::fuzz::kRecoveryHeader, mmcb::fuzz::kRecoveryEdit);
}
