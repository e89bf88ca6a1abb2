// Attention in float32. A warp has one row, a block one tile at one kv head. Bound by reads of keys, which come from
// the L1 for all rows but the first.
//
// For each block of 32 positions a lane computes the score of one key; then each lane adds some columns of the values.
#include "../runtime/launch.cuh"
#include "attention.cuh"

namespace mt::MT_TARGET {
namespace {

constexpr int kWarps = 4;
constexpr int kKeys = kWarp;
constexpr int kColumns = kLargestHead / kWarp;  // columns of a lane

struct RowSum {
  float largest = -INFINITY;
  float total = 0;
  float sums[kColumns] = {};
};

MT_DEVICE float score(const float* q, const float* k, int d) {
  float sum = 0;
  for (int i = 0; i < d; i++) sum = fma_f32(q[i], k[i], sum);
  return sum;
}

// Adds the keys of positions [begin, end), which lie in the block of 32 from position `block` on. `weights` are 32
// floats of shared memory that only this warp uses.
MT_DEVICE void add_block(RowSum& row, const Sequence& s, const float* q, int block, int begin, int end, int d,
                         float scale, float* weights) {
  const int mine = block + lane_index();
  const bool seen = mine >= begin && mine < end;
  const float x = seen ? score(q, s.at(mine).k, d) : -INFINITY;
  const float block_largest = warp_max(x);
  const float largest = block_largest > row.largest ? block_largest : row.largest;
  const float factor = exp_f32((row.largest - largest) * scale);
  const float weight = seen ? exp_f32((x - largest) * scale) : 0.0f;
  weights[lane_index()] = weight;
  row.largest = largest;
  row.total = fma_f32(row.total, factor, warp_sum(weight));
  sync_warp();
#pragma unroll
  for (int i = 0; i < kColumns; i++) row.sums[i] *= factor;
  for (int p = begin; p < end; p++) {
    const float* v = s.at(p).v;
    const float w = weights[p - block];
#pragma unroll
    for (int i = 0; i < kColumns; i++) {
      const int c = lane_index() + i * kWarp;
      if (c < d) row.sums[i] = fma_f32(w, v[c], row.sums[i]);
    }
  }
  sync_warp();  // all lanes have read the weights, which the next call overwrites
}

MT_KERNEL(kWarps* kWarp, 2)
attend_f32_kernel(AttentionArguments a, int first_tile, float scale, float* out) {
  const AttentionTile tile = a.tiles[first_tile + block_x()];
  const int kv_head = block_y(), d = a.shape.head_dim, group = a.shape.heads / a.shape.kv_heads;
  float* weights = reinterpret_cast<float*>(shared_memory()) + warp_index() * kKeys;
  for (int r = warp_index(); r < tile.rows; r += kWarps) {
    const int token = (tile.first_row + r) / group;
    const Sequence s = sequence_of(a, tile, kv_head, a.branch_start[token]);
    const int64_t at = query_offset(a.shape, tile.first_row + r, kv_head);
    const int split = tile.split * kSplit, position = s.position(token), first = s.first_seen(position);
    const int begin = first < split ? split : first;
    const int end = position + 1 < split + kSplit ? position + 1 : split + kSplit;
    RowSum row;
    for (int block = begin / kKeys * kKeys; block < end; block += kKeys)
      add_block(row, s, a.q + at, block, begin < block ? block : begin, block + kKeys < end ? block + kKeys : end, d,
                scale, weights);

    Partial partial = {};
    if (tile.slot >= 0) partial = partial_of(a, tile.slot, kv_head, tile.rows);
#pragma unroll
    for (int i = 0; i < kColumns; i++) {
      const int c = lane_index() + i * kWarp;
      if (c >= d) break;
      if (tile.slot < 0)
        out[at + c] = normalized(row.sums[i], 1.0f / row.total);
      else
        partial.sums[static_cast<int64_t>(r) * d + c] = row.sums[i];
    }
    if (lane_index() > 0) continue;
    if (tile.slot >= 0) {
      partial.totals[2 * r] = row.largest;
      partial.totals[2 * r + 1] = row.total;
    } else if (a.log_sums) {
      a.log_sums[query_index(a.shape, tile.first_row + r, kv_head)] = log_sum_of(row.largest, row.total, scale);
    }
  }
}

}  // namespace

void attend_f32(Device& device, const AttentionStep& step, const AttentionArguments& a, float* out) {
  launch(device,
         {.x = step.tiles_end - step.tiles_begin,
          .y = a.shape.kv_heads,
          .threads = kWarps * kWarp,
          .shared = kWarps * kKeys * sizeof(float)},
         attend_f32_kernel, a, step.tiles_begin, 1.0f / std::sqrt(static_cast<float>(a.shape.head_dim)), out);
}

}  // namespace mt::MT_TARGET
