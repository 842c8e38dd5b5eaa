#include "core/step.h"

#if MMCB_STEPS
namespace mmcb {
void (*step_hook)(Step step) = nullptr;
uint32_t seeded_bugs = 0;
}  // namespace mmcb
#endif
