// Copies rows of keys and values into the cache. A warp copies one row: of keys if block_y() is 0, of values if it
// is 1. Bound by memory.
#include "../runtime/launch.cuh"
#include "copy_row.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

MT_KERNEL(kCopyWarps* kWarp, 2)
append_kernel(const float* k, const float* v, const int32_t* cache_rows, int count, int cols, float* cache_k,
              float* cache_v, bool vectors) {
  const int i = copied_row();
  if (i >= count) return;
  const float* from = block_y() == 0 ? k : v;
  float* to = block_y() == 0 ? cache_k : cache_v;
  copy_row(from + static_cast<int64_t>(i) * cols, to + static_cast<int64_t>(cache_rows[i]) * cols, cols, vectors);
}

}  // namespace

void append_kv(Device& device, const float* k, const float* v, const int32_t* cache_rows, int count, int cols,
               float* cache_k, float* cache_v) {
  bool vectors = cols % 4 == 0;
  for (const float* p : {k, v, static_cast<const float*>(cache_k), static_cast<const float*>(cache_v)})
    vectors &= is_aligned(p, 16);
  launch(device, {.x = copy_blocks(count), .y = 2, .threads = kCopyWarps * kWarp}, append_kernel, k, v, cache_rows,
         count, cols, cache_k, cache_v, vectors);
}

}  // namespace mt::MT_TARGET
