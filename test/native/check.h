// Checks for the native tests. A failed check prints file, line and values, and makes the program exit with 1 at its
// end.
#pragma once
#include <cstdarg>
#include <cstdio>
#include <sstream>
#include <string>

namespace mt::test {

inline int checks = 0;
inline int failures = 0;

inline void fail(const char* file, int line, const std::string& message) {
  if (++failures <= 20) std::printf("%s:%d: %s\n", file, line, message.c_str());
}

template <class A, class B>
void check_equal(const char* file, int line, const char* what, const A& got, const B& want) {
  checks++;
  if (got == want) return;
  std::ostringstream message;
  message << what << " is " << got << ", want " << want;
  fail(file, line, message.str());
}

// A check with its own message, in printf's format.
[[gnu::format(printf, 2, 3)]] inline void check(bool ok, const char* format, ...) {
  checks++;
  if (ok || ++failures > 20) return;
  va_list args;
  va_start(args, format);
  std::vprintf(format, args);
  va_end(args);
  std::printf("\n");
}

// Prints the tally and returns the exit code for main().
inline int finish(const char* name) {
  std::printf("%s: %d checks, %d failed\n", name, checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}

}  // namespace mt::test

#define CHECK(condition)                                                     \
  do {                                                                       \
    mt::test::checks++;                                                      \
    if (!(condition)) mt::test::fail(__FILE__, __LINE__, "not " #condition); \
  } while (0)

// CHECK_EQ(got, want)
#define CHECK_EQ(got, want) mt::test::check_equal(__FILE__, __LINE__, #got, (got), (want))
