// Checks what a backend computes of a case against what the reference says of it.
#pragma once
#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "cases.h"
#include "check.h"
#include "check/compare.h"
#include "check/ops.h"

namespace mt::test {

// A failed check names `variant`, the case and the worst element. Returns what the backend has computed.
inline std::vector<Output> compare(const std::string& variant, Backend& backend, const OpCase& c,
                                   const Wanted& wanted) {
  const auto run = wanted.kind(backend, c);
  run->run();
  const std::string wrong = mismatch(*run, wanted);
  check(wrong.empty(), "%s %s", variant.c_str(), wrong.c_str());
  return run->outputs();
}

inline bool same_bits(const std::vector<Output>& a, const std::vector<Output>& b) {
  const auto same = [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Output& x, const Output& y) {
    return std::equal(x.values.begin(), x.values.end(), y.values.begin(), y.values.end(), same);
  });
}

}  // namespace mt::test
