// The epilogue of a product that is stored as it is: logits, gradients, the rows of adapters.
#pragma once
#include "../ops/ops.h"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

struct StoreProduct {
  ProductTarget to;
  int rows, cols;
  bool pairs;  // whether each pair of columns may be written as 8 bytes

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    for_each_pair(acc, row, col, [&](int r, int c, float first, float second) {
      if (r >= rows || c >= cols) return;
      int count = cols - c;  // columns that exist from c on
      if (to.places.part > 0) {
        const int groups = to.places.groups(), group = c / (2 * kGroupRows);
        const int i = group % groups * kGroupRows + c % kGroupRows;  // within the part
        count = to.places.part - i;
        if (count <= 0) return;
        c = (group / groups * 2 + c / kGroupRows % 2) * to.places.part + i;
      }
      float* y = to.y + r * to.stride + c;
      if (to.bias) {
        first += to.bias[c];
        if (count > 1) second += to.bias[c + 1];
      }
      if (pairs) {
        store_pair(y, first, second);
      } else {
        y[0] = to.add ? y[0] + first : first;
        if (count > 1) y[1] = to.add ? y[1] + second : second;
      }
    });
  }
};

}  // namespace mt::MT_TARGET
