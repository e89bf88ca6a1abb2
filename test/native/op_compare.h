// Checks what a backend computes of a case against what the reference says of it.
#pragma once
#include "bench/op_compare.h"
#include "cases.h"
#include "check.h"

namespace mt::test {

// A failed check names `variant`, the case and the worst element.
inline void compare(const std::string& variant, Backend& backend, const OpCase& c, const Wanted& wanted) {
  OpRun run(backend, c);
  run.run();
  const std::string wrong = mismatch(run, c, wanted);
  check(wrong.empty(), "%s %s", variant.c_str(), wrong.c_str());
}

}  // namespace mt::test
