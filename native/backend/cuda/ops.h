// The launchers: each queues one op of backend.h on device memory. One op a file; formulas are in backend.h.
//
// T is the activation's type: float, bf16 or f16. Pointers are device memory, rows dense and row-major.
#pragma once
#include "device.cuh"
#include "runtime.h"

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

// ---- row by row ----

// rms_norm.cu: y[rows, cols] from x[rows, cols], w[cols].
template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y);

}  // namespace mt::MT_TARGET
