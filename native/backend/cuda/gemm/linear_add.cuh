// The epilogue of linear_add: x += c + bias.
#pragma once
#include "../ops/ops.h"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

struct AddToResidual {
  float* x;
  const float* bias;
  int rows, cols;
  bool pairs;  // whether each pair of columns may be accessed as 8 bytes

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    if (pairs) return add_pairs(acc, row, col);
    for_each_pair(acc, row, col, [&](int r, int c, float first, float second) {
      if (r >= rows || c >= cols) return;
      float* to = x + static_cast<int64_t>(r) * cols + c;
      to[0] += bias ? first + bias[c] : first;
      if (c + 1 < cols) to[1] += bias ? second + bias[c + 1] : second;
    });
  }

 private:
  // Several pairs at once, so that their loads run side by side before the first store.
  template <class Acc>
  MT_DEVICE void add_pairs(const Acc& acc, int row, int col) const {
    constexpr int kAtOnce = Acc::kCols < 8 ? Acc::kCols : 8;
    row += lane_index() / 4;
    col += lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2 * Acc::kRows; i++) {
      const int r = row + 8 * i;
      if (r >= rows) continue;
      float* to = x + static_cast<int64_t>(r) * cols + col;
#pragma unroll
      for (int j = 0; j < Acc::kCols; j += kAtOnce) {
        Vec8<float> old[kAtOnce] = {}, more[kAtOnce];
#pragma unroll
        for (int e = 0; e < kAtOnce; e++) {
          const int c = 8 * (j + e);
          more[e] = {acc.c[i / 2][j + e][i % 2 * 2], acc.c[i / 2][j + e][i % 2 * 2 + 1]};
          if (col + c >= cols) continue;
          old[e] = load8(to + c);
          if (!bias) continue;
          more[e].v[0] += bias[col + c];
          more[e].v[1] += bias[col + c + 1];
        }
#pragma unroll
        for (int e = 0; e < kAtOnce; e++) {
          const int c = 8 * (j + e);
          if (col + c < cols) store8(to + c, {old[e].v[0] + more[e].v[0], old[e].v[1] + more[e].v[1]});
        }
      }
    }
  }
};

}  // namespace mt::MT_TARGET
