// RMSNorm. A block has one row, so that a thread has few loads even if there are only the few rows of decoding. Bound
// by memory: it reads x twice (the second time from the L1) and writes y.
#include <algorithm>

#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;  // maximum of threads in a block
constexpr int kVector = 4;

// Thread i sums the squares of columns [4 i, 4 i + 4), then of those 4 * threads further, and so on; then the sums of
// the lanes and those of the warps are added. The order depends on the number of columns alone, not on `vectors`.
template <class T>
MT_KERNEL(kThreads, 4)
rms_norm_kernel(const float* x, const float* w, float eps, int cols, int threads, bool vectors, T* y) {
  x += static_cast<int64_t>(block_x()) * cols;
  y += static_cast<int64_t>(block_x()) * cols;
  float* warps = reinterpret_cast<float*>(shared_memory());
  const int first = thread_index() * kVector, step = threads * kVector;

  float squares = 0;
  for (int c = first; c < cols; c += step) {
    if (vectors) {
      const Vec16<float> v = load16(x + c);
#pragma unroll
      for (int i = 0; i < kVector; i++) squares = fma_f32(v.v[i], v.v[i], squares);
    } else {
      for (int i = c; i < c + kVector && i < cols; i++) squares = fma_f32(x[i], x[i], squares);
    }
  }
  const float scale = rsqrt_f32(block_sum(squares, threads / kWarp, warps) / static_cast<float>(cols) + eps);

  for (int c = first; c < cols; c += step) {
    if (vectors) {
      const Vec16<float> v = load16(x + c), g = load16(w + c);
      store_pair(y + c, v.v[0] * scale * g.v[0], v.v[1] * scale * g.v[1]);
      store_pair(y + c + 2, v.v[2] * scale * g.v[2], v.v[3] * scale * g.v[3]);
    } else {
      for (int i = c; i < c + kVector && i < cols; i++) y[i] = from_float<T>(x[i] * scale * w[i]);
    }
  }
}

}  // namespace

template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y) {
  const int threads = std::min(kThreads, (cols + kVector * kWarp - 1) / (kVector * kWarp) * kWarp);
  const bool vectors = cols % kVector == 0 && is_aligned(x, 16) && is_aligned(w, 16) && is_aligned(y, 8);
  launch(device, {.x = rows, .threads = threads, .shared = kThreads / kWarp * sizeof(float)}, rms_norm_kernel<T>, x, w,
         eps, cols, threads, vectors, y);
}

template void rms_norm(Device&, const float*, const float*, float, int, int, float*);
template void rms_norm(Device&, const float*, const float*, float, int, int, bf16*);
template void rms_norm(Device&, const float*, const float*, float, int, int, f16*);

}  // namespace mt::MT_TARGET
