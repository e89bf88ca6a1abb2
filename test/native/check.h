// The few lines of test framework that the native tests need: count, report, exit status.
#pragma once
#include <cstdarg>
#include <cstdio>

namespace mt::test {

inline int checks = 0;
inline int failures = 0;

// Counts a check; where it fails, prints the message (printf's format). Prints the first 20 failures.
[[gnu::format(printf, 2, 3)]] inline bool check(bool ok, const char* format, ...) {
  checks++;
  if (ok) return true;
  if (++failures <= 20) {
    va_list args;
    va_start(args, format);
    std::printf("FAIL ");
    std::vprintf(format, args);
    std::printf("\n");
    va_end(args);
  }
  return false;
}

// The exit status; a run without a check is a failure.
inline int finish(const char* name) {
  std::printf("%s: %d checks, %d failed\n", name, checks, failures);
  return failures > 0 || checks == 0;
}

}  // namespace mt::test
