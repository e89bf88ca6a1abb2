// The epilogue of swiglu: f = silu(gate) * up. One thread holds both factors.
#pragma once
#include "../ops/ops.h"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

MT_DEVICE float gated(float gate, float up) { return gate / (1.0f + exp_f32(-gate)) * up; }

template <class T>
struct StoreGated {
  T* f;
  const float* bias;
  int rows, ffn;
  bool pairs;

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    for_each_group(acc, row, col, [&](int r, int group, int i, const float* gate, const float* up) {
      const int c = group * 8 + i;
      if (r >= rows || c >= ffn) return;
      const bool both = c + 1 < ffn;
      float y[2];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const bool biased = bias && (e == 0 || both);
        y[e] = gated(gate[e] + (biased ? bias[c + e] : 0.0f), up[e] + (biased ? bias[ffn + c + e] : 0.0f));
      }
      T* to = f + static_cast<int64_t>(r) * ffn + c;
      if (pairs) {
        store_pair(to, y[0], y[1]);
      } else {
        to[0] = from_float<T>(y[0]);
        if (both) to[1] = from_float<T>(y[1]);
      }
    });
  }
};

}  // namespace mt::MT_TARGET
