// Whether a sanitizer is built in. One makes code some ten times slower, and the simulator's fibers slower still, so
// under one tests take fewer of their cases: the plain build takes all of them. ThreadSanitizer is the slowest, and
// looks at what threads share, which is the same in most cases.
#pragma once

namespace mt::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitized = true;
#else
constexpr bool kThreadSanitized = false;
#endif

}  // namespace mt::test
