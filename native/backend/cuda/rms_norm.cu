// RMSNorm: a warp a row, eight rows a block. Bound by memory: reads x twice (the second time from L1 or L2), writes y.
#include "device.cuh"
#include "launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = kThreads / kWarp;

// Lane i sums the squares of columns i, i + 32, ...: one order, whatever the number of rows.
template <class T>
MT_KERNEL(kThreads, 2)
rms_norm_kernel(const float* x, const float* w, float eps, int rows, int cols, T* y) {
  const int row = block_x() * kRows + warp_index();
  if (row >= rows) return;
  x += static_cast<int64_t>(row) * cols;
  y += static_cast<int64_t>(row) * cols;
  float squares = 0;
  for (int i = lane_index(); i < cols; i += kWarp) squares = fma_f32(x[i], x[i], squares);
  const float scale = rsqrt_f32(warp_sum(squares) / static_cast<float>(cols) + eps);
  for (int i = lane_index(); i < cols; i += kWarp) y[i] = from_float<T>(x[i] * scale * w[i]);
}

}  // namespace

template <class T>
void rms_norm(Device& device, const float* x, const float* w, float eps, int rows, int cols, T* y) {
  launch(device, {.x = (rows + kRows - 1) / kRows, .threads = kThreads}, rms_norm_kernel<T>, x, w, eps, rows, cols, y);
}

template void rms_norm(Device&, const float*, const float*, float, int, int, float*);
template void rms_norm(Device&, const float*, const float*, float, int, int, bf16*);
template void rms_norm(Device&, const float*, const float*, float, int, int, f16*);

}  // namespace mt::MT_TARGET
