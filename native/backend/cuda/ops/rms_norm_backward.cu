// The backward pass of RMSNorm. A block has one row; then the gradient by the weight is summed over the rows
// (sum_columns.cu). Bound by memory: it reads x and dy twice (the second time from the L1), and reads and writes dx.
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
  squares = warp_sum(squares);
  products = warp_sum(products);
  if (lane_index() == 0) {
    warps[warp_index()] = squares;
    warps[kWarps + warp_index()] = products;
  }
  sync_block();
  squares = products = 0;
  for (int i = 0; i < kWarps; i++) {
    squares += warps[i];
    products += warps[kWarps + i];
  }
  const float n = static_cast<float>(cols);
  const float scale = rsqrt_f32(squares / n + eps), mean = products / n * scale;
  for (int c = thread_index(); c < cols; c += kThreads) dx[c] += scale * (dy[c] * w[c] - x[c] * scale * mean);
  if (thread_index() == 0) scales[block_x()] = scale;
}

}  // namespace

void rms_norm_backward(Device& device, const float* x, const float* w, float eps, const float* dy, int rows, int cols,
                       float* dx, float* scales) {
  launch(device, {.x = rows, .threads = kThreads, .shared = 2 * kWarps * sizeof(float)}, rms_norm_backward_kernel, x, w,
         eps, dy, cols, dx, scales);
}

}  // namespace mt::MT_TARGET
