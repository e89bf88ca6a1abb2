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

// rms_norm.cu: y[rows, cols] from x[rows, cols], w[cols].
template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y);

}  // namespace mt::MT_TARGET
