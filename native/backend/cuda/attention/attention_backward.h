// The backward pass of attention over the flat tree.
//
// Pass 1 has tiles of query rows, which go through the keys they see: dq. Pass 2 has tiles of keys, which go through
// the query rows that see them: dk and dv. Both compute weights and their gradients anew. Sums go in ascending order of
// keys or of rows (token by token, and within a token over the heads of the group), whatever the tiles; there are no
// atomics.
#pragma once
#include "../../backend.h"
#include "../runtime/runtime.h"

namespace mt::MT_TARGET {

// Pointers are device memory. The pack has no segments.
struct AttentionGradients {
  int tokens;
  const int32_t *branch_start, *tree_start, *prefix_end, *pos;  // [tokens]
  const float *q, *k, *v;                                       // attention()'s
  const float* log_sums;                                        // [tokens, heads]
  const float* dout;                                            // [tokens, heads * d]
  float* d_out;                                                 // scratch memory: [tokens, heads]
  HeadShape shape;
  int window;
  float* dqkv;  // [tokens, heads * d + 2 * kv_heads * d]
};

// T is the type of `out`, and what attention() rounded queries, keys and values to.
template <class T>
void attention_backward(Device& device, const AttentionGradients& a, const T* out);

}  // namespace mt::MT_TARGET
