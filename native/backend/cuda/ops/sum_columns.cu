// Sums over the rows of a matrix, column by column: the gradients of biases, and those of the weights of norms. A block
// has 32 columns. Bound by memory.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kWarps = 8;

// Warp i adds rows i, i + 8, ...; then the sums of the warps are added in order.
template <class T>
MT_KERNEL(kWarps* kWarp, 4)
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

template <class T>
void sum_columns(Device& device, const T* dy, int rows, int cols, const float* x, const float* scales, float* sums) {
  launch(device, {.x = (cols + kWarp - 1) / kWarp, .threads = kWarps * kWarp, .shared = kWarps * kWarp * sizeof(float)},
         sum_columns_kernel<T>, dy, rows, cols, x, scales, sums);
}

template void sum_columns(Device&, const float*, int, int, const float*, const float*, float*);
template void sum_columns(Device&, const bf16*, int, int, const float*, const float*, float*);

}  // namespace mt::MT_TARGET
