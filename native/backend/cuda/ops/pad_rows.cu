// Copies rows to places that are a multiple of 16 bytes apart, for matrix products whose rows have an odd length. A
// thread copies one element.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;

template <class T>
MT_KERNEL(kThreads, 4)
pad_rows_kernel(const T* from, int64_t count, int cols, int64_t stride, T* to) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i < count) to[i / cols * stride + i % cols] = from[i];
}

}  // namespace

template <class T>
void pad_rows(Device& device, const T* from, int rows, int cols, int64_t stride, T* to) {
  const int64_t count = static_cast<int64_t>(rows) * cols;
  launch(device, {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}, pad_rows_kernel<T>,
         from, count, cols, stride, to);
}

template void pad_rows(Device&, const float*, int, int, int64_t, float*);
template void pad_rows(Device&, const bf16*, int, int, int64_t, bf16*);
template void pad_rows(Device&, const f16*, int, int, int64_t, f16*);

}  // namespace mt::MT_TARGET
