// choose_token() with memory of its own.
#pragma once
#include <span>
#include <vector>

#include "../../native/base/sampling.h"

namespace mt::test {

inline Choice choose(std::span<const float> logits, const Sampling& sampling, uint64_t random,
                     std::span<const Adjustment> adjustments = {}, std::span<const uint32_t> mask = {}) {
  std::vector<TokenWeight> scratch(logits.size());
  const Draw draw = {sampling, random, 0, static_cast<int32_t>(adjustments.size()), mask.empty() ? -1 : 0};
  return choose_token(logits, draw, {adjustments, mask}, scratch);
}

}  // namespace mt::test
