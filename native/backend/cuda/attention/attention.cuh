// Shared by the attention kernels: where a row's keys lie, and where its result goes.
#pragma once
#include "../device/device.cuh"
#include "attention.h"

namespace mt::MT_TARGET {

// The virtual sequence that ends in one branch, or in the prefix, with its keys and values at one kv head.
struct Sequence {
  const float *k, *v;              // the pack's
  const float *cache_k, *cache_v;  // the cache's, which hold the segment
  int64_t stride;                  // elements from one row to the next
  int64_t column;                  // where the kv head begins in a row
  Tree tree;
  int window;
  int branch_start;

  struct Rows {
    const float *k, *v;
  };

  MT_DEVICE int shared() const { return tree.segment_len + tree.prefix_len; }
  MT_DEVICE int position(int token) const { return position(token, branch_start); }
  // The position of a token in its own sequence, which may be that of another branch.
  MT_DEVICE int position(int token, int own_branch_start) const {
    return token < tree.start + tree.prefix_len ? tree.segment_len + token - tree.start
                                                : shared() + token - own_branch_start;
  }
  // The first position that a row at `position` sees.
  MT_DEVICE int first_seen(int position) const { return position < window ? 0 : position + 1 - window; }
  // Has no branches, so that the loads of many keys can be in flight.
  MT_DEVICE Rows at(int position) const {
    const bool cached = position < tree.segment_len;
    const int own = position < shared() ? tree.start + position - tree.segment_len : branch_start + position - shared();
    const int64_t offset = (cached ? tree.segment_row + position : own) * stride + column;
    return {(cached ? cache_k : k) + offset, (cached ? cache_v : v) + offset};
  }
};

MT_DEVICE Sequence sequence_of(const AttentionArguments& a, const AttentionTile& tile, int kv_head, int branch_start) {
  const int64_t d = a.shape.head_dim;
  return {a.k, a.v, a.cache_k, a.cache_v, a.shape.kv_heads * d, kv_head * d, tile.tree, a.window, branch_start};
}

// Where query row `row` of a kv head stands among all heads of all tokens.
MT_DEVICE int64_t query_index(const HeadShape& s, int row, int kv_head) {
  const int group = s.heads / s.kv_heads;
  return static_cast<int64_t>(row / group) * s.heads + kv_head * group + row % group;
}
// The element of q and of out at which that row starts.
MT_DEVICE int64_t query_offset(const HeadShape& s, int row, int kv_head) {
  return query_index(s, row, kv_head) * s.head_dim;
}

// The logarithm of the denominator of a row's softmax, from the largest score and the sum of exp(scale (score -
// largest)).
MT_DEVICE float log_sum_of(float largest, float total, float scale) { return largest * scale + log_f32(total); }

// The partial sums of a tile's rows at one kv head. `slot` is the slot of the first row.
struct Partial {
  float* sums;    // [rows, head_dim]
  float* totals;  // [rows, 2]: maximum and total
};
MT_DEVICE Partial partial_of(const AttentionArguments& a, int slot, int kv_head, int rows) {
  const int64_t first = static_cast<int64_t>(slot) * a.shape.kv_heads + static_cast<int64_t>(kv_head) * rows;
  float* sums = a.partials + first * (a.shape.head_dim + 2);
  return {sums, sums + static_cast<int64_t>(rows) * a.shape.head_dim};
}

// A row's result from its sum and 1 / total. It is never -0, so that it does not show whether zeros were added.
MT_DEVICE float normalized(float sum, float inverse) { return sum * inverse + 0.0f; }

// attention_merge.cu: computes `out` from the partial sums of the step's merged tiles.
template <class T>
void merge_attention(Device& device, const AttentionStep& step, const AttentionArguments& a, T* out);

// attention_f32.cu: computes the tiles of a step.
void attend_f32(Device& device, const AttentionStep& step, const AttentionArguments& a, float* out);

}  // namespace mt::MT_TARGET
