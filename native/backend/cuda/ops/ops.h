// The launchers. Each queues one op of forward_ops.h or backward_ops.h, which have the formulas, on device memory;
// attention is in attention/attention.h and attention/attention_backward.h.
//
// T is the type of the activations: float, bf16 or f16. Pointers are device memory; matrices are dense and row-major.
#pragma once
#include "../../../base/sampling.h"
#include "../../backward_ops.h"
#include "../gemm/row_layout.h"
#include "../runtime/runtime.h"

namespace mt::MT_TARGET {

// The logits of one row in 32 neighbouring columns of the vocabulary, [first, first + 32), reduced to three numbers.
// The LM head's matrix product writes partials[row, first / 32]; head.cu combines those of a row in one order. Logits
// are never stored.
struct HeadPartial {
  float largest;   // the largest logit; -infinity if all columns are past the vocabulary
  float sum;       // the sum of exp(logit - largest)
  int32_t argmax;  // the lowest column with the largest logit
};
constexpr int kHeadColumns = 32;
constexpr int head_partials_per_row(int vocab) { return (vocab + kHeadColumns - 1) / kHeadColumns; }

// ---- matrix products (gemm/gemm.cuh) ----

// The size of a product's tiles, on which its bits do not depend. float32 has one size only.
enum class Tiling : uint8_t { kAuto, kSmall, kMiddle, kLarge };

// The operands of a[m, k] b[n, k]^T: activations and a packed weight (gemm/matrix.h). Rows of both are `stride`
// elements apart, which is a multiple of 16 bytes; both are aligned to 16 bytes.
template <class T>
struct GemmOperands {
  const T* a;
  const T* b;
  int m, n, k;
  int64_t stride;
  Tiling tiling;
};

// gemm/linear_add.cu: x[m, n] += a b^T + bias[n]; bias may be null.
template <class T>
void linear_add(Device& device, const GemmOperands<T>& g, const float* bias, float* x);

// gemm/swiglu.cu: f[m, ffn] = silu(gate) * up; b holds groups of 8 rows of gate and 8 of up. bias is [2 ffn], all of
// gate and then all of up, or null.
template <class T>
void swiglu(Device& device, const GemmOperands<T>& g, const float* bias, int ffn, T* f);

struct RopeArguments {
  const int32_t* pos;  // [m]
  const float* cos;    // [positions, head_dim / 2], or null: qkv() rotates nothing
  const float* sin;
  int heads, kv_heads, head_dim;
};

// gemm/qkv.cu: q[m, heads * d], k and v[m, kv_heads * d]; b holds the heads of q, k and v in groups of 8 rows of a
// head's first half and 8 of its second. bias is [(heads + 2 kv_heads) * d] or null.
template <class T>
void qkv(Device& device, const GemmOperands<T>& g, const float* bias, const RopeArguments& rope, float* q, float* k,
         float* v);

// gemm/head_gemm.cu: partials[m, head_partials_per_row(n)], and target_logits[row] = the logit of targets[row].
template <class T>
void head_partials(Device& device, const GemmOperands<T>& g, const int32_t* targets, HeadPartial* partials,
                   float* target_logits);

// Where a product is stored: element [row, i] at y[row * stride + i], i being the row of the weight before it was
// packed.
struct ProductTarget {
  float* y;
  int64_t stride;
  const float* bias;  // added to each row, or null
  RowPlaces places;   // of b's rows
  bool add;           // to what is there
};

// gemm/product.cu: a b^T + bias, in float32.
template <class T>
void product(Device& device, const GemmOperands<T>& g, const ProductTarget& to);

// ---- row by row ----

// rms_norm.cu: y[rows, cols] from x[rows, cols] and w[cols].
template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y);

// norm_heads.cu: the RMSNorm of each head of q[rows, heads * d] and k[rows, kv_heads * d], and its rotation, in place.
// The weights are [d].
void norm_heads(Device& device, const float* q_norm, const float* k_norm, float eps, const RopeArguments& rope,
                int rows, float* q, float* k);

// embed.cu: x[t, :] = table[ids[t], :]; the table's rows are `stride` elements apart (gemm/matrix.h).
template <class T>
void embed(Device& device, const T* table, int64_t stride, const int32_t* ids, int tokens, int cols, float* x);

// gather.cu: y[i, :] = x[rows[i], :].
void gather_rows(Device& device, const float* x, const int32_t* rows, int count, int cols, float* y);

// append_kv.cu: copies row i of k and v to row cache_rows[i] of the caches.
void append_kv(Device& device, const float* k, const float* v, const int32_t* cache_rows, int count, int cols,
               float* cache_k, float* cache_v);

// pad_rows.cu: to[i, :cols] = from[i, :cols]; rows are `stride` elements apart in `to`, dense in `from`.
template <class T>
void pad_rows(Device& device, const T* from, int rows, int cols, int64_t stride, T* to);

// ---- the head ----

// head.cu: combines a row's partials in one order that does not depend on `rows`.
//   log_probs[row] = target_logits[row] - log_sums[row], log_sums[row] being the log of the sum of all exp(logit);
//   best[row] is the largest logit, argmax[row] its id
struct HeadRows {
  float* log_probs;
  float* log_sums;
  float* best;
  int32_t* argmax;
};
void head_finish(Device& device, const HeadPartial* partials, const float* target_logits, int rows, int per_row,
                 const HeadRows& out);

// head.cu: the k best of each row of logits[rows, vocab], best first, ties to the lowest id: ids [rows, k] and
// log_probs [rows, k] = logit - log_sums[row]. NaN is never among them; if fewer than k logits are numbers, the rest
// is id 0 with a logit of minus infinity.
void head_top_k(Device& device, const float* logits, const float* log_sums, int rows, int vocab, int k, int32_t* ids,
                float* log_probs);

// head_sample.cu: choose_token() of base/sampling.h for each row of logits[rows, vocab] and its draw. The logits are
// changed as the adjustments and masks [masks, mask_words(vocab)] say; before_adjustment is scratch memory of as many
// floats as there are adjustments.
void head_sample(Device& device, float* logits, int rows, int vocab, const Draw* draws, const Adjustment* adjustments,
                 float* before_adjustment, const uint32_t* masks, int32_t* ids, float* log_probs);

// ---- the backward pass: T is float or bf16 ----

// The rows of a matrix in memory.
template <class T>
struct MatrixRows {
  T* data;
  int64_t stride;         // elements from one row to the next
  RowPlaces places = {};  // where rows stand
  int first = 0;          // the row that counts as row 0

  MT_HOST_DEVICE T* at(int row, int col) const { return data + places.place(first + row) * stride + col; }
};

// copy_matrix.cu: to[r, c] = factor * from[r, c] in `rows` rows. Columns cols .. to_cols - 1 of `to` become zero.
template <class From, class To>
void copy_matrix(Device& device, const MatrixRows<const From>& from, int rows, int cols, float factor,
                 const MatrixRows<To>& to, int to_cols);
// copy_matrix.cu: to[c, r] = factor * from[r, c]. Columns rows .. to_cols - 1 of `to` become zero.
template <class From, class To>
void transpose_matrix(Device& device, const MatrixRows<const From>& from, int rows, int cols, float factor,
                      const MatrixRows<To>& to, int to_cols);

// add_rows.cu: to[name, :] += the sum of the rows from[i, :] with names[i] == name, in the order of i; `from` and names
// have `count` rows.
void add_rows(Device& device, const float* from, const int32_t* names, int count, int cols, float* to);

// finish_products.cu: f[rows, ffn] = silu(gate) * up from gate_up[rows, 2 ffn].
template <class T>
void swiglu_rows(Device& device, const float* gate_up, int rows, int ffn, T* f);
// finish_products.cu: f[rows, ffn] and dgate_up[rows, 2 ffn].
template <class T>
void swiglu_backward(Device& device, const float* gate_up, const float* df, int rows, int ffn, T* f, T* dgate_up);

// finish_products.cu: qkv[rows, (heads + 2 kv_heads) * d], split into q, k and v; rotated unless rope.cos is null.
void split_qkv(Device& device, const float* qkv, const RopeArguments& rope, int rows, float* q, float* k, float* v);
// finish_products.cu: turns q and k of dqkv back, in place.
void rope_backward(Device& device, const RopeArguments& rope, int rows, float* dqkv);

// rms_norm_backward.cu: adds to dx [rows, cols]; scales[row] = 1 / sqrt(mean(x^2) + eps).
void rms_norm_backward(Device& device, const float* x, const float* w, float eps, const float* dy, int rows, int cols,
                       float* dx, float* scales);
// rms_norm_backward.cu: sums[c] += the sum of dy[r, c], or where x is not null, of dy[r, c] * x[r, c] * scales[r].
template <class T>
void sum_columns(Device& device, const T* dy, int rows, int cols, const float* x, const float* scales, float* sums);

// head_loss.cu: losses[row] = -log softmax(logits[row])[targets[row]], best_ids[row] is the best token; dz [rows,
// vocab], which may be the logits, is the gradient of the losses times their weights.
template <class T>
void head_loss(Device& device, const float* logits, int rows, int vocab, const int32_t* targets, const float* weights,
               T* dz, float* losses, int32_t* best_ids);

// ---- the optimizer ----

// optimizer.cu: *total = the sum of x^2; `sums` is scratch memory for square_blocks(count) numbers.
size_t square_blocks(int64_t count);
void sum_squares(Device& device, const float* x, int64_t count, double* sums, double* total);
// optimizer.cu: w, m and v in place.
void adamw(Device& device, float* w, const float* gradient, float* m, float* v, int64_t count,
           const AdamWFactors& factors);

}  // namespace mt::MT_TARGET
