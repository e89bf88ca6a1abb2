// Adds up the splits of rows that see more than one split. A warp has one row, a block one tile at one kv head. Bound
// by memory.
#include "../runtime/launch.cuh"
#include "attention.cuh"

namespace mt::MT_TARGET {
namespace {

constexpr int kWarps = 4;

// Adds the splits in order, each times exp(its maximum - the largest maximum). A split in which the row sees nothing
// adds zeros.
template <class T>
MT_KERNEL(kWarps* kWarp, 4)
merge_kernel(AttentionArguments a, int first_tile, float scale, T* out) {
  const MergedTile tile = a.merged[first_tile + block_x()];
  const int kv_head = block_y(), d = a.shape.head_dim;
  for (int row = warp_index(); row < tile.rows; row += kWarps) {
    float largest = -INFINITY;
    for (int s = 0; s < tile.splits; s++) {
      const float m = partial_of(a, tile.slot + s * tile.rows, kv_head, tile.rows).totals[2 * row];
      largest = m > largest ? m : largest;
    }
    T* to = out + query_offset(a.shape, tile.first_row + row, kv_head);
    for (int c = lane_index(); c < d; c += kWarp) {
      float sum = 0, total = 0;
      for (int s = 0; s < tile.splits; s++) {
        const Partial p = partial_of(a, tile.slot + s * tile.rows, kv_head, tile.rows);
        const float factor = exp_f32((p.totals[2 * row] - largest) * scale);
        sum = fma_f32(p.sums[static_cast<int64_t>(row) * d + c], factor, sum);
        total = fma_f32(p.totals[2 * row + 1], factor, total);
      }
      to[c] = from_float<T>(normalized(sum, 1.0f / total));
      if (c == 0 && a.log_sums)
        a.log_sums[query_index(a.shape, tile.first_row + row, kv_head)] = log_sum_of(largest, total, scale);
    }
  }
}

}  // namespace

template <class T>
void merge_attention(Device& device, const AttentionStep& step, const AttentionArguments& a, T* out) {
  if (step.merged_begin == step.merged_end) return;
  launch(device, {.x = step.merged_end - step.merged_begin, .y = a.shape.kv_heads, .threads = kWarps * kWarp},
         merge_kernel<T>, a, step.merged_begin, 1.0f / std::sqrt(static_cast<float>(a.shape.head_dim)), out);
}

template void merge_attention(Device&, const AttentionStep&, const AttentionArguments&, float*);
template void merge_attention(Device&, const AttentionStep&, const AttentionArguments&, bf16*);
template void merge_attention(Device&, const AttentionStep&, const AttentionArguments&, f16*);

}  // namespace mt::MT_TARGET
