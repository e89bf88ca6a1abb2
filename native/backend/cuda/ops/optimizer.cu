// The optimizer: sums of squares for the norm of all gradients, and AdamW. Bound by memory.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kBlock = 4096;  // elements that a block squares

// The sum of one number of each thread, returned in thread 0. Numbers are added pairwise, always the same pairs.
MT_DEVICE double sum_of_block(double mine) {
  auto* sums = reinterpret_cast<double*>(shared_memory());  // [kThreads]
  sums[thread_index()] = mine;
  for (int step = kThreads / 2; step > 0; step /= 2) {
    sync_block();
    if (thread_index() < step) sums[thread_index()] += sums[thread_index() + step];
  }
  return sums[thread_index()];
}

MT_KERNEL(kThreads, 4)
square_kernel(const float* x, int64_t count, double* sums) {
  const int64_t first = static_cast<int64_t>(block_x()) * kBlock;
  double sum = 0;
  for (int64_t i = first + thread_index(); i < count && i < first + kBlock; i += kThreads) {
    const double value = x[i];
    sum += value * value;
  }
  sum = sum_of_block(sum);
  if (thread_index() == 0) sums[block_x()] = sum;
}

// Has one block.
MT_KERNEL(kThreads, 1)
sum_kernel(const double* sums, int count, double* total) {
  double sum = 0;
  for (int i = thread_index(); i < count; i += kThreads) sum += sums[i];
  sum = sum_of_block(sum);
  if (thread_index() == 0) *total = sum;
}

MT_KERNEL(kThreads, 4)
adamw_kernel(float* w, const float* gradient, float* m, float* v, int64_t count, AdamWFactors f) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const float g = f.scale * gradient[i];
  const float mean = m[i] + f.mean * (g - m[i]), square = v[i] * f.square_kept + f.square * g * g;
  m[i] = mean;
  v[i] = square;
  w[i] = w[i] * f.decay + f.step_size * mean / (sqrt_f32(square) / f.root + f.eps);
}

}  // namespace

size_t square_blocks(int64_t count) { return static_cast<size_t>((count + kBlock - 1) / kBlock); }

void sum_squares(Device& device, const float* x, int64_t count, double* sums, double* total) {
  const int blocks = static_cast<int>(square_blocks(count));
  const size_t shared = kThreads * sizeof(double);
  if (blocks > 0) launch(device, {.x = blocks, .threads = kThreads, .shared = shared}, square_kernel, x, count, sums);
  launch(device, {.x = 1, .threads = kThreads, .shared = shared}, sum_kernel, sums, blocks, total);
}

void adamw(Device& device, float* w, const float* gradient, float* m, float* v, int64_t count,
           const AdamWFactors& factors) {
  if (count == 0) return;
  launch(device, {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}, adamw_kernel, w,
         gradient, m, v, count, factors);
}

}  // namespace mt::MT_TARGET
