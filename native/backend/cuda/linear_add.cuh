// The epilogue of linear_add: x += c + bias.
#pragma once
#include "epilogue.cuh"
#include "ops.h"

namespace mt::MT_TARGET {

struct AddToResidual {
  float* x;
  const float* bias;
  int rows, cols;
  bool pairs;  // every pair of columns may be accessed as 8 bytes

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    for_each_pair(acc, row, col, [&](int r, int c, float first, float second) {
      if (r >= rows || c >= cols) return;
      if (bias) first += bias[c];
      float* to = x + static_cast<int64_t>(r) * cols + c;
      if (pairs) {
        if (bias) second += bias[c + 1];
        Vec8<float> sum = load8(to);
        sum.v[0] += first;
        sum.v[1] += second;
        store8(to, sum);
      } else {
        to[0] += first;
        if (c + 1 < cols) to[1] += second + (bias ? bias[c + 1] : 0.0f);
      }
    });
  }
};

}  // namespace mt::MT_TARGET
