// Which sanitizer the tests run under, or whether their branches are counted. A run then takes several times as long, so that
// long tests make only part of theirs; the whole is made without.
#pragma once

namespace mmcb::test {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitizer;
#endif
#if MMCB_COVERAGE
inline constexpr bool kCounted = true;
#else
inline constexpr bool kCounted = false;
#endif

}  // namespace mmcb::test
