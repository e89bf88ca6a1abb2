// The epilogue of qkv: bias, rotary embedding and the split. RoPE rotates two elements that are half a head apart; the
// order of the rows (matrix.h) puts both into one thread.
#pragma once
#include "../ops/ops.h"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

struct RotateAndSplit {
  const float* bias;
  RopeArguments rope;
  int rotated_heads;  // heads + kv_heads or 0
  float *q, *k, *v;
  int rows;
  bool pairs;

  // A group of 16 columns holds 8 elements of a head's first half and the 8 elements half a head later (matrix.h).
  // Several groups at once, so that the loads of their angles run side by side before the first store.
  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    constexpr int kGroups = Acc::kCols / 2, kAtOnce = kGroups < 4 ? kGroups : 4;
#pragma unroll
    for (int i = 0; i < 2 * Acc::kRows; i++) {
      const int r = row + lane_index() / 4 + 8 * i;
      if (r >= rows) continue;
      const int64_t angles = int64_t{rope.pos[r]} * (rope.head_dim / 2);
#pragma unroll
      for (int j = 0; j < kGroups; j += kAtOnce) {
        Pair group[kAtOnce];
#pragma unroll
        for (int e = 0; e < kAtOnce; e++) group[e] = load(col / 16 + j + e, angles);
#pragma unroll
        for (int e = 0; e < kAtOnce; e++)
          store(r, group[e], &acc.c[i / 2][2 * (j + e)][i % 2 * 2], &acc.c[i / 2][2 * (j + e) + 1][i % 2 * 2]);
      }
    }
  }

 private:
  // Elements at and at + 1 of a head's first half, how many of the two exist, and their angles.
  struct Pair {
    int head, at, count;
    float cos[2], sin[2];
  };

  MT_DEVICE bool is_rotated(int head) const { return head < rotated_heads; }

  MT_DEVICE Pair load(int group, int64_t angles) const {
    const int half = rope.head_dim / 2, groups = (half + 7) / 8;  // groups of one head
    const int head = group / groups, at = group % groups * 8 + lane_index() % 4 * 2;
    const int left = head < rope.heads + 2 * rope.kv_heads ? half - at : 0;
    Pair pair = {head, at, left < 2 ? left : 2, {}, {}};
#pragma unroll
    for (int e = 0; e < 2; e++)
      if (e < left && is_rotated(head)) {
        pair.cos[e] = rope.cos[angles + at + e];
        pair.sin[e] = rope.sin[angles + at + e];
      }
    return pair;
  }

  // `first` and `second` are arrays [2]: the pair in the head's first half, and that in its second.
  MT_DEVICE void store(int row, const Pair& pair, const float* first, const float* second) const {
    if (pair.count <= 0) return;
    const int half = rope.head_dim / 2;
    float low[2], high[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
      float a = first[e], b = second[e];
      if (bias && e < pair.count) {
        const float* from = bias + pair.head * rope.head_dim + pair.at + e;
        a += from[0];
        b += from[half];
      }
      if (is_rotated(pair.head)) {
        const float turned = a * pair.cos[e] - b * pair.sin[e];
        b = b * pair.cos[e] + a * pair.sin[e];
        a = turned;
      }
      low[e] = a;
      high[e] = b;
    }
    float* to = head_of(row, pair.head) + pair.at;
    if (pairs) {
      store_pair(to, low[0], low[1]);
      store_pair(to + half, high[0], high[1]);
      return;
    }
    to[0] = low[0];
    to[half] = high[0];
    if (pair.count > 1) {
      to[1] = low[1];
      to[half + 1] = high[1];
    }
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
