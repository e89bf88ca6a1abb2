// Whether a sanitizer is built in. One makes code some ten times slower, and the simulator's fibers slower still, so
// under one tests take fewer of their cases: the plain build takes all of them.
#pragma once

namespace mt::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace mt::test
