// The launchers: each queues one op of backend.h on device memory. One op a file; formulas are in backend.h.
//
// T is the activation's type: float, bf16 or f16. Pointers are device memory, rows dense and row-major.
#pragma once
#include "../../../base/sampling.h"
#include "../device/types.h"
#include "../runtime/runtime.h"

namespace mt::MT_TARGET {

// What one row's logits say in 32 neighbouring columns of the vocabulary, [first, first + 32): the LM head's GEMM
// writes partials[row, first / 32]; head.cu combines a row's in one order. Logits are never stored.
struct HeadPartial {
  float largest;   // -infinity where all columns are past the vocabulary
  float sum;       // of exp(logit - largest)
  int32_t argmax;  // the column of `largest`, the lowest where there are several
};
constexpr int kHeadColumns = 32;
constexpr int head_partials_per_row(int vocab) { return (vocab + kHeadColumns - 1) / kHeadColumns; }

// ---- matrix products (gemm.cuh) ----

enum class Tiling : uint8_t { kAuto, kSmall, kMiddle, kLarge };  // float32 has but one

// a[m, k] b[n, k]^T: activations and a packed weight (matrix.h), both with rows of `stride` elements, a multiple of 16
// bytes, both 16-byte aligned.
template <class T>
struct GemmOperands {
  const T* a;
  const T* b;
  int m, n, k;
  int64_t stride;
  Tiling tiling;  // bits do not depend on it
};

// linear_add.cu: x[m, n] += a b^T + bias[n]; bias may be null.
template <class T>
void linear_add(Device& device, const GemmOperands<T>& g, const float* bias, float* x);

// swiglu.cu: f[m, ffn] = silu(gate) * up, where b holds groups of 8 rows of gate and 8 of up. bias [2 ffn] or null: all
// of gate, then all of up.
template <class T>
void swiglu(Device& device, const GemmOperands<T>& g, const float* bias, int ffn, T* f);

struct RopeArguments {
  const int32_t* pos;  // [m]
  const float* cos;    // [positions, head_dim / 2]
  const float* sin;
  int heads, kv_heads, head_dim;
};

// qkv.cu: q[m, heads * d], k and v[m, kv_heads * d]; b holds heads of q, k, v in groups of 8 rows of a head's first
// half and 8 of its second. bias [(heads + 2 kv_heads) * d] or null.
template <class T>
void qkv(Device& device, const GemmOperands<T>& g, const float* bias, const RopeArguments& rope, float* q, float* k,
         float* v);

// head_gemm.cu: partials[m, head_partials_per_row(n)], and target_logits[row] = logit of targets[row].
template <class T>
void head_partials(Device& device, const GemmOperands<T>& g, const int32_t* targets, HeadPartial* partials,
                   float* target_logits);

// head_gemm.cu: logits[m, n].
template <class T>
void head_logits(Device& device, const GemmOperands<T>& g, float* logits);

// ---- row by row; attention is in attention.h ----

// rms_norm.cu: y[rows, cols] from x[rows, cols], w[cols].
template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y);

// embed.cu: x[t, :] = table[ids[t], :]; the table's rows have `stride` elements (matrix.h).
template <class T>
void embed(Device& device, const T* table, int64_t stride, const int32_t* ids, int tokens, int cols, float* x);

// gather.cu: y[i, :] = x[rows[i], :].
void gather_rows(Device& device, const float* x, const int32_t* rows, int count, int cols, float* y);

// append_kv.cu: row i of k and v -> row cache_rows[i] of the caches.
void append_kv(Device& device, const float* k, const float* v, const int32_t* cache_rows, int count, int cols,
               float* cache_k, float* cache_v);

// pad_rows.cu: to[i, :cols] = from[i, :cols]; rows of `stride` elements in `to`, dense in `from`.
template <class T>
void pad_rows(Device& device, const T* from, int rows, int cols, int64_t stride, T* to);

// ---- the head ----

// head.cu: combines a row's partials in one order that does not depend on `rows`.
//   log_probs[row] = target_logits[row] - log_sums[row]   argmax, best: the largest logit and its id
struct HeadRows {
  float* log_probs;
  float* log_sums;
  float* best;
  int32_t* argmax;
};
void head_finish(Device& device, const HeadPartial* partials, const float* target_logits, int rows, int per_row,
                 const HeadRows& out);

// head.cu: the k best of each row of logits[rows, vocab], best first, ties to the lowest id: ids and
// log_probs = logit - log_sums[row], both [rows, k]. NaN is none of them: where fewer than k are numbers, the rest is
// id 0 with the logit minus infinity.
void head_top_k(Device& device, const float* logits, const float* log_sums, int rows, int vocab, int k, int32_t* ids,
                float* log_probs);

// head_sample.cu: choose_token() of base/sampling.h for each row of logits[rows, vocab] and its random bits.
void head_sample(Device& device, const float* logits, int rows, int vocab, const Sampling& sampling,
                 const uint64_t* random, int32_t* ids, float* log_probs);

}  // namespace mt::MT_TARGET
