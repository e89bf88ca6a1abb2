// The embedding. A warp copies the row of one token. Bound by memory.
#include "../runtime/launch.cuh"
#include "copy_row.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

template <class T>
MT_KERNEL(kCopyWarps* kWarp, 2)
embed_kernel(const T* table, int64_t stride, const int32_t* ids, int tokens, int cols, float* x, bool vectors) {
  const int t = copied_row();
  if (t < tokens) copy_row(table + ids[t] * stride, x + static_cast<int64_t>(t) * cols, cols, vectors);
}

}  // namespace

template <class T>
void embed(Device& device, const T* table, int64_t stride, const int32_t* ids, int tokens, int cols, float* x) {
  const bool vectors = is_aligned(table, 16) && is_aligned(x, 16) && stride * sizeof(T) % 16 == 0 && cols % 4 == 0;
  launch(device, {.x = copy_blocks(tokens), .threads = kCopyWarps * kWarp}, embed_kernel<T>, table, stride, ids, tokens,
         cols, x, vectors);
}

template void embed(Device&, const float*, int64_t, const int32_t*, int, int, float*);
template void embed(Device&, const bf16*, int64_t, const int32_t*, int, int, float*);
template void embed(Device&, const f16*, int64_t, const int32_t*, int, int, float*);

}  // namespace mt::MT_TARGET
