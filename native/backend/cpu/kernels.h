// The table of functions that each instruction-set variant provides. The plain C++ of this folder calls them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../../base/dtype.h"
#include "../backward_ops.h"
#include "isa.h"

namespace mt::cpu {

// The form in which a matrix product reads its left side.
enum class InputForm : uint8_t {
  kFloatRows,    // [rows, k] f32, row-major
  kFloatStrips,  // [rows / row_align, k, row_align] f32: the values that a tile reads at one k lie side by side
  kBf16Rows,     // [rows, k] bf16, row-major
  kBf16Tiles,    // [rows / 16, k / 32, 16, 32] bf16
};

// c[r, j] (+)= the sum of a[r, k] * b[k, j] over ascending k, for one packed panel of b.
//   The panel is [k, panel], or with `pairs` [k / 2, panel, 2]; k is padded with zeros to a multiple of k_align.
struct GemmKernel {
  int panel;      // columns of a packed panel: 16, 32 or 64
  int k_align;    // k0 and k1 are multiples of this
  int row_align;  // c has room for `rows` rounded up to a multiple of this, and so has a if it is strips or tiles
  bool pairs;
  InputForm input;
  // Sizes of the blocks that gemm.cc makes. They do not change a bit of the result.
  int row_block;    // rows of a task, a multiple of row_align
  int panel_block;  // panels of a task
  int k_block;      // k of one pass through row_block rows, a multiple of k_align; fewer rows have a longer one
  // a points to row 0 at k = 0; lda counts elements (for strips and tiles it is the padded k). b points to the panel at
  // k = 0. c is [rows, ldc]. Without `add` sums start from zero.
  void (*run)(const void* a, ptrdiff_t lda, int rows, const void* b, int k0, int k1, float* c, ptrdiff_t ldc, bool add);
};

// The logits of a row seen so far: the largest, the sum of exp(logit - max), and the index of the largest.
struct HeadPartial {
  float max;
  float sum;
  int32_t argmax;
};

struct CpuKernels {
  const char* name;
  GemmKernel gemm[3];  // one for each DType of the weights
  // The kernels of attention. If there is a second one, it is used when activations are bf16.
  GemmKernel attention_f32;
  const GemmKernel* attention_bf16;
  // The same as attention_f32 for a panel of which only the first `narrow_cols` columns count: others of c stay as they
  // are.
  int narrow_cols;
  decltype(GemmKernel::run) narrow_f32;

  // y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]; y may be x
  void (*rms_norm)(const float* x, const float* w, int n, float eps, float* y);
  void (*rms_norm_bf16)(const float* x, const float* w, int n, float eps, uint16_t* y);

  // y[r, j] = x[r, j] + (c[r, j] + bias[j]), rows of x and of y being ld apart; bias may be null, y may be x
  void (*add_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, const float* bias, const float* x, float* y,
                   ptrdiff_t ld);
  // x[r, j] = c[r, j]
  void (*copy_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, float* x, ptrdiff_t ldx);
  // f[r, j] = silu(c[r, j] + bias_gate[j]) * (c[r, up + j] + bias_up[j]); biases may be null
  void (*swiglu_tile)(const float* c, ptrdiff_t ldc, int up, int rows, int cols, const float* bias_gate,
                      const float* bias_up, float* f, ptrdiff_t ldf);
  void (*swiglu_tile_bf16)(const float* c, ptrdiff_t ldc, int up, int rows, int cols, const float* bias_gate,
                           const float* bias_up, uint16_t* f, ptrdiff_t ldf);
  // For row r and i < n: (y[i], y[half + i]) = (x cos - z sin, z cos + x sin) with x = c[i] + bias[i],
  // z = c[b + i] + bias[half + i], and cos and sin from row pos[r] of tables [.., half]. bias may be null. If cos is
  // null, nothing is rotated. y may be c if b is half and ldy is ldc.
  void (*rotate_tile)(const float* c, ptrdiff_t ldc, int b, int rows, int n, int half, const float* bias,
                      const float* cos, const float* sin, const int32_t* pos, float* y, ptrdiff_t ldy);
  // Adds columns first .. first + cols - 1, in ascending order, to each row's partial.
  void (*head_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, int first, HeadPartial* partials);

  // One block of an online softmax. In each row scores first[r] .. seen[r] - 1 of scores[r, 0 .. n) become
  // exp(score - max), the others 0; max and sum are updated; earlier sums are to be multiplied by factor[r].
  void (*softmax_rows)(float* scores, ptrdiff_t ld, int rows, int n, const int* first, const int* seen, float* max,
                       float* sum, float* factor);
  // x[r, j] *= factor[r]
  void (*scale_rows)(float* x, ptrdiff_t ldx, int rows, int cols, const float* factor);
  // y[i] = x[i] * factor
  void (*scale_to)(const float* x, int n, float factor, float* y);
  void (*scale_to_bf16)(const float* x, int n, float factor, uint16_t* y);
  // y[r * row_step + j / 32 * chunk_step + j % 32] = x[r, j] * factor, rounded; zeros for j in cols .. k - 1
  void (*rows_to_bf16)(const float* x, ptrdiff_t ldx, int rows, int cols, int k, float factor, uint16_t* y,
                       ptrdiff_t row_step, ptrdiff_t chunk_step);
  // Pairs of rows as bf16: y[r / 2 * ldy + 2 j + r % 2] = x[r, j] for r < rows, j < cols; zeros for r in rows .. k - 1
  void (*pair_rows)(const float* x, ptrdiff_t ldx, int rows, int cols, int k, uint16_t* y, ptrdiff_t ldy);
  // The same of rows that are bf16
  void (*pair_rows_bf16)(const uint16_t* x, ptrdiff_t ldx, int rows, int cols, int k, uint16_t* y, ptrdiff_t ldy);
  // y[i] = x[i] widened
  void (*widen_bf16)(const uint16_t* x, int n, float* y);
  // One strip of InputForm::kFloatStrips: y[j * width + i] = x[i * ldx + j] for i < rows, j < cols; zeros for i in
  // rows .. width - 1, width being the row_align of gemm[kFloat32]. x has `readable` rows, at least `rows`.
  void (*pack_strip)(const float* x, ptrdiff_t ldx, int rows, int readable, int cols, float* y);
  // Strips of columns: y[j / width * ldy + i * width + j % width] = x[i * ldx + j] for i < rows, j < cols; zeros for j
  // in cols .. up to a multiple of the same width.
  void (*pack_columns)(const float* x, ptrdiff_t ldx, int rows, int cols, float* y, ptrdiff_t ldy);
  // y[j * ldy + i] = x[i * ldx + j] for i < rows, j < cols; the elements may be pairs of bf16
  void (*transpose)(const float* x, ptrdiff_t ldx, int rows, int cols, float* y, ptrdiff_t ldy);

  // ---- the backward pass ----

  // x[r, j] = exp(x[r, j] * factor - shift[r]), at least the smallest normal number
  void (*exp_rows)(float* x, ptrdiff_t ldx, int rows, int cols, float factor, const float* shift);
  // One row of BackwardOps::rms_norm_backward() without dw. Returns 1 / sqrt(mean(x^2) + eps).
  float (*rms_norm_backward)(const float* x, const float* w, const float* dy, int n, float eps, float* dx);
  // BackwardOps::swiglu_backward() of a tile df [rows, ld] and gate [rows, 2 ffn], of which `cols` columns count. up is
  // ffn columns after gate, and dup after dgate.
  void (*swiglu_backward)(const float* df, ptrdiff_t ld, int rows, int cols, const float* gate, int ffn, float* f,
                          float* dgate);
  void (*swiglu_backward_bf16)(const float* df, ptrdiff_t ld, int rows, int cols, const float* gate, int ffn,
                               uint16_t* f, uint16_t* dgate);
  // sums[i, j] += the sum of z[t, i] * x[t, j] over ascending t, for t < rows, i < n, j < cols. sums has room for whole
  // vectors.
  void (*add_outer)(const float* z, ptrdiff_t ldz, int n, const float* x, ptrdiff_t ldx, int rows, int cols,
                    float* sums, ptrdiff_t ld);
  void (*adamw)(float* w, const float* gradient, float* m, float* v, size_t n, const AdamWFactors& factors);

  const GemmKernel& gemm_for(DType t) const { return gemm[static_cast<int>(t)]; }
};

#define X(name) const CpuKernels& kernels_##name();
#include "kernels.inc"
#undef X

}  // namespace mt::cpu
