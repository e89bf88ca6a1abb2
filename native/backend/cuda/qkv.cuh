// The epilogue of qkv: bias, rotary embedding and the split. The two elements that RoPE turns into each other, half a
// head apart, lie in one thread.
#pragma once
#include "epilogue.cuh"
#include "ops.h"

namespace mt::MT_TARGET {

struct RotateAndSplit {
  const float* bias;
  RopeArguments rope;
  float *q, *k, *v;
  int rows;
  bool pairs;

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    const int half = rope.head_dim / 2, groups = (half + 7) / 8;  // of a head
    for_each_group(acc, row, col, [&](int r, int group, int i0, const float* first, const float* second) {
      const int head = group / groups, i = group % groups * 8 + i0;
      if (r >= rows || head >= rope.heads + 2 * rope.kv_heads || i >= half) return;
      const bool both = i + 1 < half;
      const bool rotated = head < rope.heads + rope.kv_heads;
      const int64_t angle = rotated ? int64_t{rope.pos[r]} * half + i : 0;
      float low[2], high[2];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float a = first[e], b = second[e];
        if (e == 0 || both) {
          if (bias) {
            a += bias[head * rope.head_dim + i + e];
            b += bias[head * rope.head_dim + half + i + e];
          }
          if (rotated) {
            const float cos = rope.cos[angle + e], sin = rope.sin[angle + e];
            const float turned = a * cos - b * sin;
            b = b * cos + a * sin;
            a = turned;
          }
        }
        low[e] = a;
        high[e] = b;
      }
      float* to = head_of(r, head) + i;
      if (pairs) {
        store_pair(to, low[0], low[1]);
        store_pair(to + half, high[0], high[1]);
        return;
      }
      to[0] = low[0];
      to[half] = high[0];
      if (both) {
        to[1] = low[1];
        to[half + 1] = high[1];
      }
    });
  }

  MT_DEVICE float* head_of(int row, int head) const {
    const int d = rope.head_dim;
    if (head < rope.heads) return q + (static_cast<int64_t>(row) * rope.heads + head) * d;
    head -= rope.heads;
    if (head < rope.kv_heads) return k + (static_cast<int64_t>(row) * rope.kv_heads + head) * d;
    return v + (static_cast<int64_t>(row) * rope.kv_heads + head - rope.kv_heads) * d;
  }
};

}  // namespace mt::MT_TARGET
