// What an instruction-set variant provides: one const table of functions, called by the plain C++ of this folder.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../../base/dtype.h"
#include "isa.h"

namespace mt::cpu {

// How a matrix product wants its left side.
enum class InputForm : uint8_t {
  kFloatRows,    // [rows, k] f32, row-major
  kFloatStrips,  // [rows / row_align, k, row_align] f32: what a tile reads at one k lies side by side
  kBf16Rows,     // [rows, k] bf16, row-major
  kBf16Tiles,    // [rows / 16, k / 32, 16, 32] bf16
};

// c[r, j] (+)= sum over k of a[r, k] * b[k, j], k ascending, for one packed panel of b.
//   panel layout: [k, panel], or with `pairs` [k / 2, panel, 2]; k padded with zeros to a multiple of k_align
struct GemmKernel {
  int panel;      // columns of a packed panel: 16, 32 or 64
  int k_align;    // k0 and k1 are multiples of this
  int row_align;  // c has room for `rows` rounded up to a multiple of this; so has an a of strips or tiles
  bool pairs;
  InputForm input;
  // Blocks of the driver. None changes a bit of the result.
  int row_block;    // rows of a task, a multiple of row_align
  int panel_block;  // panels of a task
  int k_block;      // k of one pass, a multiple of k_align
  // a: row 0 at k = 0; lda in elements (strips and tiles: k padded).   b: the panel at k = 0.   c: [rows, ldc]
  // add = false starts from zero.
  void (*run)(const void* a, ptrdiff_t lda, int rows, const void* b, int k0, int k1, float* c, ptrdiff_t ldc, bool add);
};

// Of the logits seen so far: the largest, its index, and the sum of exp(logit - max).
struct HeadPartial {
  float max;
  float sum;
  int32_t argmax;
};

struct CpuKernels {
  const char* name;
  GemmKernel gemm[3];  // by DType of the weights
  // The kernels that attention multiplies with; the second, where there is one, where activations are bf16.
  GemmKernel attention_f32;
  const GemmKernel* attention_bf16;

  // y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]
  void (*rms_norm)(const float* x, const float* w, int n, float eps, float* y);
  void (*rms_norm_bf16)(const float* x, const float* w, int n, float eps, uint16_t* y);

  // x[r, j] += c[r, j] + bias[j]; bias may be null
  void (*add_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, const float* bias, float* x, ptrdiff_t ldx);
  // x[r, j] = c[r, j]
  void (*copy_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, float* x, ptrdiff_t ldx);
  // f[r, j] = silu(c[r, j] + bias_gate[j]) * (c[r, up + j] + bias_up[j]); biases may be null
  void (*swiglu_tile)(const float* c, ptrdiff_t ldc, int up, int rows, int cols, const float* bias_gate,
                      const float* bias_up, float* f, ptrdiff_t ldf);
  void (*swiglu_tile_bf16)(const float* c, ptrdiff_t ldc, int up, int rows, int cols, const float* bias_gate,
                           const float* bias_up, uint16_t* f, ptrdiff_t ldf);
  // Row r, i < n: (y[i], y[half + i]) = (a cos - b sin, b cos + a sin) of a = c[i] + bias[i], b = c[b + i] + bias[half
  // + i] with row pos[r] of cos and sin [.., half]. bias may be null. cos null: no rotation.
  void (*rotate_tile)(const float* c, ptrdiff_t ldc, int b, int rows, int n, int half, const float* bias,
                      const float* cos, const float* sin, const int32_t* pos, float* y, ptrdiff_t ldy);
  // Adds columns first .. first + cols - 1, in ascending order, to each row's partial.
  void (*head_tile)(const float* c, ptrdiff_t ldc, int rows, int cols, int first, HeadPartial* partials);

  // One block of an online softmax, row by row: the first seen[r] of scores[r, 0 .. n) become exp(score - max), the
  // others 0; max and sum move on; factor[r] is what earlier sums are to be multiplied by.
  void (*softmax_rows)(float* scores, ptrdiff_t ld, int rows, int n, const int* seen, float* max, float* sum,
                       float* factor);
  // x[r, j] *= factor[r]
  void (*scale_rows)(float* x, ptrdiff_t ldx, int rows, int cols, const float* factor);
  // y[i] = x[i] * factor
  void (*scale_to)(const float* x, int n, float factor, float* y);
  void (*scale_to_bf16)(const float* x, int n, float factor, uint16_t* y);
  // y[r * row_step + j / 32 * chunk_step + j % 32] = x[r, j] * factor, rounded; zeros for j = cols .. k - 1
  void (*rows_to_bf16)(const float* x, ptrdiff_t ldx, int rows, int cols, int k, float factor, uint16_t* y,
                       ptrdiff_t row_step, ptrdiff_t chunk_step);
  // Pairs of rows as bf16: y[r / 2 * ldy + 2 j + r % 2] = x[r, j] for r < rows, j < cols; zeros for r = rows .. k - 1
  void (*pair_rows)(const float* x, ptrdiff_t ldx, int rows, int cols, int k, uint16_t* y, ptrdiff_t ldy);
  // y[i] = x[i] widened
  void (*widen_bf16)(const uint16_t* x, int n, float* y);
  // One strip of InputForm::kFloatStrips: y[j * width + i] = x[i * ldx + j] for i < rows, j < cols; zeros for i = rows
  // .. width - 1, width being the row_align of gemm[kFloat32]. x has `readable` rows, at least `rows`.
  void (*pack_strip)(const float* x, ptrdiff_t ldx, int rows, int readable, int cols, float* y);
  // y[j * ldy + i] = x[i * ldx + j] for i < rows, j < cols
  void (*transpose)(const float* x, ptrdiff_t ldx, int rows, int cols, float* y, ptrdiff_t ldy);

  const GemmKernel& gemm_for(DType t) const { return gemm[static_cast<int>(t)]; }
};

#define X(name) const CpuKernels& kernels_##name();
#include "kernels.inc"
#undef X

}  // namespace mt::cpu
