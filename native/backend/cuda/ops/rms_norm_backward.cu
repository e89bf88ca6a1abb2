// The backward pass of RMSNorm: a block has one row. And sums over the rows, for the gradients of its weight and of
// biases: a block has 32 columns. Bound by memory: the first reads x and dy twice (the second time from the L1), and
// reads and writes dx; the second reads x and dy once.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// Thread i sums columns i, i + 256, ...; then the sums of the lanes and those of the warps are added.
MT_KERNEL(kThreads, 4)
rms_norm_backward_kernel(const float* x, const float* w, float eps, const float* dy, int cols, float* dx,
                         float* scales) {
  const int64_t at = static_cast<int64_t>(block_x()) * cols;
  x += at;
  dy += at;
  dx += at;
  float* warps = reinterpret_cast<float*>(shared_memory());  // [2, kWarps]
  float squares = 0, products = 0;
  for (int c = thread_index(); c < cols; c += kThreads) {
    squares = fma_f32(x[c], x[c], squares);
    products = fma_f32(dy[c] * w[c], x[c], products);
  }
  squares = block_sum(squares, kWarps, warps);
  products = block_sum(products, kWarps, warps + kWarps);
  const float n = static_cast<float>(cols);
  const float scale = rsqrt_f32(squares / n + eps), mean = products / n * scale;
  for (int c = thread_index(); c < cols; c += kThreads) dx[c] += scale * (dy[c] * w[c] - x[c] * scale * mean);
  if (thread_index() == 0) scales[block_x()] = scale;
}

// Has 32 columns. Warp i adds rows i, i + 8, ...; then the sums of the warps are added in order.
template <class T>
MT_KERNEL(kThreads, 4)
sum_columns_kernel(const T* dy, int rows, int cols, const float* x, const float* scales, float* sums) {
  float* warps = reinterpret_cast<float*>(shared_memory());  // [kWarps, kWarp]
  const int c = block_x() * kWarp + lane_index();
  float sum = 0;
  if (c < cols) {
#pragma unroll 4
    for (int r = warp_index(); r < rows; r += kWarps) {
      const int64_t i = static_cast<int64_t>(r) * cols + c;
      const float d = to_float(dy[i]);
      sum += x ? d * x[i] * scales[r] : d;
    }
  }
  warps[thread_index()] = sum;
  sync_block();
  if (warp_index() > 0 || c >= cols) return;
  float total = 0;
  for (int i = 0; i < kWarps; i++) total += warps[i * kWarp + lane_index()];
  sums[c] += total;
}

}  // namespace

void rms_norm_backward(Device& device, const float* x, const float* w, float eps, const float* dy, int rows, int cols,
                       float* dx, float* scales) {
  launch(device, {.x = rows, .threads = kThreads, .shared = 2 * kWarps * sizeof(float)}, rms_norm_backward_kernel, x, w,
         eps, dy, cols, dx, scales);
}

template <class T>
void sum_columns(Device& device, const T* dy, int rows, int cols, const float* x, const float* scales, float* sums) {
  launch(device, {.x = (cols + kWarp - 1) / kWarp, .threads = kThreads, .shared = kThreads * sizeof(float)},
         sum_columns_kernel<T>, dy, rows, cols, x, scales, sums);
}

template void sum_columns(Device&, const float*, int, int, const float*, const float*, float*);
template void sum_columns(Device&, const bf16*, int, int, const float*, const float*, float*);

}  // namespace mt::MT_TARGET
