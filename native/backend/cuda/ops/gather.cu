// Copies the rows of x that a list picks. A warp copies one row. Bound by memory.
#include "../runtime/launch.cuh"
#include "copy_row.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

MT_KERNEL(kCopyWarps* kWarp, 2)
gather_kernel(const float* x, const int32_t* rows, int count, int cols, float* y, bool vectors) {
  const int i = copied_row();
  if (i < count) copy_row(x + static_cast<int64_t>(rows[i]) * cols, y + static_cast<int64_t>(i) * cols, cols, vectors);
}

}  // namespace

void gather_rows(Device& device, const float* x, const int32_t* rows, int count, int cols, float* y) {
  const bool vectors = is_aligned(x, 16) && is_aligned(y, 16) && cols % 4 == 0;
  launch(device, {.x = copy_blocks(count), .threads = kCopyWarps * kWarp}, gather_kernel, x, rows, count, cols, y,
         vectors);
}

}  // namespace mt::MT_TARGET
