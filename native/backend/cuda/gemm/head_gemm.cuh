// The epilogue of the LM head: per row and 32 columns of the vocabulary the maximum, where it is, and the sum of
// exponentials.
#pragma once
#include "../ops/ops.h"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

struct StorePartials {
  const int32_t* targets;
  HeadPartial* partials;
  float* target_logits;
  int rows, vocab, per_row;  // per_row: partials of a row

  // Four lanes share a row; each holds eight of every 32 columns.
  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    static_assert(Acc::kCols % 4 == 0, "a warp holds whole runs of 32 columns");
    const int t = lane_index() % 4 * 2;
#pragma unroll
    for (int i = 0; i < Acc::kRows; i++)
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int run = 0; run < Acc::kCols / 4; run++) {
          const int r = row + 16 * i + 8 * half + lane_index() / 4, first = col + 32 * run;
          float logits[8];
#pragma unroll
          for (int e = 0; e < 8; e++) logits[e] = acc.c[i][4 * run + e / 2][2 * half + e % 2];
          combine(logits, r, first, first + t);
        }
  }

  // Combines 32 columns from `first` on. logits[e] is the logit of column c + e / 2 * 8 + e % 2.
  MT_DEVICE void combine(const float (&logits)[8], int r, int first, int c) const {
    const int target = r < rows ? targets[r] : -1;
    float largest = -INFINITY;
    int argmax = c;
#pragma unroll
    for (int e = 0; e < 8; e++) {
      const int column = c + e / 2 * 8 + e % 2;
      if (column < vocab && logits[e] > largest) {
        largest = logits[e];
        argmax = column;
      }
      if (column == target) target_logits[r] = logits[e];
    }
#pragma unroll
    for (int mask = 1; mask < 4; mask *= 2) {
      const float other = shuffle_xor(largest, mask);
      const int where = shuffle_xor(argmax, mask);
      if (other > largest || (other == largest && where < argmax)) {
        largest = other;
        argmax = where;
      }
    }
    float sum = 0;
#pragma unroll
    for (int e = 0; e < 8; e++)
      if (c + e / 2 * 8 + e % 2 < vocab) sum += exp_f32(logits[e] - largest);
#pragma unroll
    for (int mask = 1; mask < 4; mask *= 2) sum += shuffle_xor(sum, mask);
    if (r < rows && first < vocab && lane_index() % 4 == 0)
      partials[static_cast<int64_t>(r) * per_row + first / kHeadColumns] = {largest, sum, argmax};
  }
};

}  // namespace mt::MT_TARGET
