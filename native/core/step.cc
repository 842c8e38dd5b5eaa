#include "core/step.h"

#include "core/stores.h"

#if MMCB_STEPS
namespace mmcb {
void (*step_hook)(Step step) = nullptr;
void (*store_hook)(const StoreSite& site, std::byte* at, size_t length, bool done) = nullptr;
uint64_t seeded_bugs = 0;
}  // namespace mmcb
#endif
