// RMSNorm over each head of q and k, then RoPE, in place. A warp has one head of one row. Bound by memory: it reads the
// head twice (the second time from the L1) and writes it.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kWarps = 4;

// A lane sums the squares of its pairs, which are half a head apart; then the sums of the lanes are added.
MT_KERNEL(kWarps* kWarp, 8)
norm_heads_kernel(const float* q_norm, const float* k_norm, float eps, RopeArguments rope, int count, float* q,
                  float* k) {
  const int index = block_x() * kWarps + warp_index();
  if (index >= count) return;
  const int heads = rope.heads + rope.kv_heads, row = index / heads, head = index % heads;
  const int d = rope.head_dim, half = d / 2;
  const bool is_query = head < rope.heads;
  const float* w = is_query ? q_norm : k_norm;
  float* x = is_query ? q + (static_cast<int64_t>(row) * rope.heads + head) * d
                      : k + (static_cast<int64_t>(row) * rope.kv_heads + head - rope.heads) * d;
  float squares = 0;
  for (int i = lane_index(); i < half; i += kWarp) {
    squares = fma_f32(x[i], x[i], squares);
    squares = fma_f32(x[half + i], x[half + i], squares);
  }
  const float scale = rsqrt_f32(warp_sum(squares) / static_cast<float>(d) + eps);
  const int64_t angles = int64_t{rope.pos[row]} * half;
  for (int i = lane_index(); i < half; i += kWarp) {
    const float a = x[i] * scale * w[i], b = x[half + i] * scale * w[half + i];
    const float cos = rope.cos[angles + i], sin = rope.sin[angles + i];
    x[i] = a * cos - b * sin;
    x[half + i] = b * cos + a * sin;
  }
}

}  // namespace

void norm_heads(Device& device, const float* q_norm, const float* k_norm, float eps, const RopeArguments& rope,
                int rows, float* q, float* k) {
  const int count = rows * (rope.heads + rope.kv_heads);
  launch(device, {.x = (count + kWarps - 1) / kWarps, .threads = kWarps * kWarp}, norm_heads_kernel, q_norm, k_norm,
         eps, rope, count, q, k);
}

}  // namespace mt::MT_TARGET
