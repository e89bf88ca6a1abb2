// Each op of the forward pass of LLaMA, with its formula and shapes.
//
// An op that throws OUT_OF_MEMORY or ABORTED may be called again.
//
// Determinism: every op computes a row from that row's inputs alone, in one order of summation that does not depend on
// the number of rows, on the place of the row in the pack, or on the number of threads. What is not finite in a row's
// inputs is no exception: no bit of a row changes by a NaN or an infinity in a row that it does not see.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../base/control.h"
#include "../base/sampling.h"
#include "device.h"
#include "pack.h"
#include "weight_store.h"

namespace mt {

// A model's limits, from which the memory that its ops need for them follows.
struct PackLimits {
  int tokens = 0;                // maximum of tokens, and of rows of the head
  int positions = 0;             // maximum of positions that a row of attention sees
  std::span<const int> windows;  // those that attention() is called with
  std::span<const int> widths;   // the numbers of columns that inputs of matrix products have
  int vocab = 0;
  HeadShape shape;
  DType dtype = DType::kFloat32;  // the weights' type
};

// cos and sin of position * frequency, times the scaling's attention factor: [context, head_dim / 2] f32 each.
struct RopeTable {
  View cos;
  View sin;
};

// What adapters add to the product of rows x and a weight w (LoRA, Hu et al. 2021): x w^T + z b^T.
//   z [rows of x, rank] activation dtype   b [rows of w, rank], of the kind and dtype of w; null: nothing is added
struct LowRank {
  View z;
  const Matrix* b = nullptr;
};

// What qkv() does with the products: bias, norms of heads, rotation.
struct QkvFinish {
  View bias;    // [rows of the weight] f32, or empty
  View q_norm;  // [head_dim] f32: the weights of an RMSNorm over each head of q; empty where there is none
  View k_norm;  // [head_dim] f32: the same over each head of k; empty where q_norm is
  float eps = 0;
  RopeTable rope;
};

// Keys and values that outlive a pack: rows of [kv_heads * head_dim] f32, in one K and one V buffer for each layer.
struct KvCache {
  std::vector<View> k;  // [layers] of [rows, kv_heads * head_dim]
  std::vector<View> v;
};

// What the head says of each scored row; host arrays of the caller's, `top_*` empty where top_k is 0.
struct HeadResult {
  std::span<float> log_prob;  // [rows] log-softmax at the row's target
  std::span<int32_t> argmax;  // [rows] the best token; ties go to the lowest id
  // [rows, top_k] best first, ties to the lowest id. Where fewer logits are numbers: id 0, and a log-probability that
  // is no finite number.
  std::span<int32_t> top_ids;
  std::span<float> top_log_prob;  // [rows, top_k]
};

class ForwardOps {
 public:
  virtual ~ForwardOps() = default;

  // Bytes of the device's memory that ops may yet take as scratch for packs within the limits. Lists of the head's
  // top_k and changes of logits come on top.
  virtual size_t scratch_bytes(const PackLimits&) const { return 0; }

  // `windows` are those with which attention() will be called, each one once.
  virtual std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape, std::span<const int> windows) = 0;

  // ---- ops, in the order of the forward pass; T = tokens of the pack ----

  // x[t, :] = table[ids[t], :]            x [T, dim] f32
  virtual void embed(const PlacedPack& pack, const Matrix& table, View x) = 0;

  // y[t, :] = x[t, :] / sqrt(mean(x[t, :]^2) + eps) * w        (Zhang and Sennrich 2019)
  //   x [rows, dim] f32   w [dim] f32   y [rows, dim] activation dtype, not x
  virtual void rms_norm(View x, View w, float eps, View y) = 0;

  // Ops that take a LowRank add it to the product at once. A backend that cannot train need not take one.

  // [q k v] = h w^T + z b^T + bias, then on each head of q and of k
  //   RMSNorm, if the model has one (Henry et al. 2020, Yang et al. 2025):
  //     x -> x / sqrt(mean(x^2) + eps) * w, w being q_norm or k_norm
  //   RoPE (rotate halves, Su et al. 2021, as Hugging Face lays it out):
  //     (a, b) = (x[i], x[i + d/2]) -> (a cos - b sin, b cos + a sin) at the token's position
  //   h [T, dim]   w kQkv   q [T, heads * d] f32   k, v [T, kv_heads * d] f32
  virtual void qkv(const PlacedPack& pack, View h, const Matrix& w, const QkvFinish& finish, HeadShape shape, View q,
                   View k, View v, const LowRank& added = {}) = 0;

  // out[t, head] = softmax(q[t, head] . K / sqrt(d)) V over what row t sees, online, keys in blocks cut by absolute
  // position, so that an unshared, a tree and a KV-segment run add in the same order. Of the positions that the pack
  // lets it see, a row at position p sees those from p - window + 1 on (Beltagy et al. 2020): `window` positions, its
  // own among them. A window of the context's length hides nothing.
  //   q [T, heads * d] f32   k, v [T, kv_heads * d] f32   cache may be null (no tree has a segment)
  //   window 1 or more, one of those that place() was told   out [T, heads * d] activation dtype
  //   log_sums [T, heads] f32, or empty: the logarithm of each softmax's denominator, which the backward pass needs. A
  //   backend without one need not write it.
  virtual void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer,
                         HeadShape shape, int window, View out, View log_sums = {}) = 0;

  // Copies all rows of k and v into the cache: row t -> row cache_rows[t] of `layer`. No two may be the same.
  virtual void append_kv(const PlacedPack& pack, View k, View v, const KvCache& cache, int layer) = 0;

  // y = x + a w^T + z b^T + bias          a [rows, in] activation dtype   x, y [rows, out] f32; y may be x
  virtual void linear_add(View a, const Matrix& w, View bias, View x, View y, const LowRank& added = {}) = 0;

  // f = silu(gate) * up, [gate up] = h w^T + z b^T + bias          (SwiGLU, Shazeer 2020)
  //   w kGateUp   bias [2 * ffn] f32 or empty   f [rows, ffn] activation dtype
  //   gate_up [rows, 2 * ffn] f32, or empty: gate and up side by side, which the backward pass needs. A backend that
  //   cannot train need not write it.
  virtual void swiglu(View h, const Matrix& w, View bias, View f, const LowRank& added = {}, View gate_up = {}) = 0;

  // y[i, :] = x[rows[i], :]               x [T, dim] f32   y [rows of the pack, dim] f32
  virtual void gather_rows(const PlacedPack& pack, View x, View y) = 0;

  // The head takes longer than other ops where the vocabulary is large: it polls `control` between parts of its work
  // and throws ABORTED. What else it takes of memory is bounded, whatever the number of rows and top_k.

  // Log-softmax of h w^T at targets[i], the argmax and the top k.
  //   h [rows, dim] activation dtype   targets [rows]   Waits for the result.
  virtual void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                          const Control& control) = 0;

  // The token that each row's random bits pick from its logits h w^T, and its log-softmax: choose_token() of
  // base/sampling.h, without the logits leaving the device.
  //   h [rows, dim] activation dtype   draws, ids, log_prob [rows]   changes: those that the draws name, each
  //   adjustment at most once   Waits for the result.
  virtual void head_sample(View h, const Matrix& w, std::span<const Draw> draws, const LogitChanges& changes,
                           std::span<int32_t> ids, std::span<float> log_prob, const Control& control) = 0;

  // logits = h w^T, to the host: [rows, vocab] f32. Waits for the result.
  virtual void head_logits(View h, const Matrix& w, float* logits, const Control& control) = 0;
};

}  // namespace mt
