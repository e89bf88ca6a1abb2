// Rows of logits that choosing tokens must get right: ties, infinities, NaN, and every order.
#pragma once
#include <cmath>
#include <vector>

#include "random.h"

namespace mt::test {

struct LogitRow {
  const char* name;
  std::vector<float> logits;  // [vocab]
};

inline std::vector<LogitRow> logit_rows(int vocab) {
  const std::vector<float> values = random(vocab, vocab, 8);
  const auto row = [&](auto logit) {
    std::vector<float> logits(vocab);
    for (int id = 0; id < vocab; id++) logits[id] = logit(id, values[id]);
    return logits;
  };
  return {
      {"any", values},
      {"ties", row([](int, float v) { return std::round(v); })},
      {"equal", row([](int, float) { return 1.5f; })},
      {"zeros of both signs", row([](int id, float) { return id % 3 ? 0.0f : -0.0f; })},
      {"rising", row([](int id, float) { return id % 4096 * 0x1p-10f; })},
      {"falling", row([](int id, float) { return id * -0x1p-10f; })},
      {"minus infinity but for some", row([](int id, float v) { return id % 7 == 3 ? v : -INFINITY; })},
      {"minus infinity", row([](int, float) { return -INFINITY; })},
      {"infinity among them", row([](int id, float v) { return id % 5 == 2 ? INFINITY : v; })},
      {"NaN among them", row([](int id, float v) { return id % 3 ? v : NAN; })},
      {"NaN", row([](int, float) { return NAN; })},
  };
}

}  // namespace mt::test
