// The deliberate bugs of the test build (MMCB_BUG in core/step.h), by name.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/step.h"

namespace mmcb::test {

inline constexpr const char* kBugNames[] = {
#define MMCB_BUG_TEXT(name) #name,
    MMCB_BUG_LIST(MMCB_BUG_TEXT)
#undef MMCB_BUG_TEXT
};

inline void seed_bug(Bug bug) { seeded_bugs |= uint64_t{1} << static_cast<unsigned>(bug); }

// Bug::kCount where there is none of this name.
inline Bug bug_named(std::string_view name) {
  unsigned bug = 0;
  while (bug < static_cast<unsigned>(Bug::kCount) && name != kBugNames[bug]) bug++;
  return static_cast<Bug>(bug);
}

// False where there is none of this name.
inline bool seed_bug(std::string_view name) {
  const Bug bug = bug_named(name);
  if (bug != Bug::kCount) seed_bug(bug);
  return bug != Bug::kCount;
}

}  // namespace mmcb::test
