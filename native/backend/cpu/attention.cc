// Attention over the flat tree on the CPU.
//
// A row sees the positions 0 .. its own of one virtual sequence: segment, prefix, own branch. Keys come in blocks of
// 64 positions, cut by absolute position; a block's pieces are gathered into the panels of the matrix kernel from
// wherever they lie, so the bits depend on positions only. Per block: scores, online softmax, weighted values.
// A key that a row does not see has weight 0, which leaves a sum as it was.
#include "attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mt::cpu {
namespace {

constexpr int kBlock = 64;
// Query rows x heads of a group in a tile: enough to hide the gathering of keys, few enough for the cache.
constexpr int kTileRows = 96;

int divide_up(int n, int by) { return (n + by - 1) / by; }
int tile_rows(HeadShape shape) { return std::max(1, kTileRows / (shape.heads / shape.kv_heads)); }

// The keys and values that the rows of one branch (or of the prefix) see: position -> row.
struct Sequence {
  const float* k;  // of the pack, at this kv head
  const float* v;
  const float* cache_k;
  const float* cache_v;
  ptrdiff_t stride;  // floats from row to row
  Tree tree;
  int lo;

  int shared() const { return tree.segment_len + tree.prefix_len; }

  // Calls fn(offset, count, keys, values) for the pieces of positions [begin, end).
  template <class Fn>
  void pieces(int begin, int end, Fn fn) const {
    const struct {
      int from, to;  // positions
      const float *k, *v;
      ptrdiff_t row;  // of position `from`
    } ranges[] = {{0, tree.segment_len, cache_k, cache_v, tree.segment_row},
                  {tree.segment_len, shared(), k, v, tree.start},
                  {shared(), end, k, v, lo}};
    for (const auto& r : ranges) {
      const int from = std::max(begin, r.from), to = std::min(end, r.to);
      if (from >= to) continue;
      const ptrdiff_t first = (r.row + from - r.from) * stride;
      fn(from - begin, to - from, r.k + first, r.v + first);
    }
  }
};

// One tile x one kv head.
class TileJob {
 public:
  TileJob(const CpuKernels& kernels, HeadShape shape, Memory& scratch)
      : kernels_(kernels),
        gemm_(kernels.gemm_for(DType::kFloat32)),
        dim_(shape.head_dim),
        group_(shape.heads / shape.kv_heads),
        dim_padded_(divide_up(dim_, gemm_.panel) * gemm_.panel) {
    const size_t rows = size_t(tile_rows(shape)) * group_;
    scratch.reserve_zeroed((rows * (dim_ + kBlock + dim_padded_ + 2) + size_t(kBlock) * (dim_ + dim_padded_)) * 4);
    queries_ = scratch.as<float>();
    keys_ = queries_ + rows * dim_;
    values_ = keys_ + kBlock * dim_;
    scores_ = values_ + kBlock * dim_padded_;
    sums_ = scores_ + rows * kBlock;
    max_ = sums_ + rows * dim_padded_;
    total_ = max_ + rows;
  }

  void run(const QueryTile& tile, const int32_t* lo, const View& q, int kv_head, Sequence sequence, const View& out) {
    begin_ = tile.begin;
    const int rows = (tile.end - tile.begin) * group_;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim_));
    for (int i = 0; i < rows; i++)
      kernels_.scale_to(static_cast<const float*>(q.data) + element(q, i, kv_head), dim_, scale, queries_ + i * dim_);
    std::fill(sums_, sums_ + size_t(rows) * dim_padded_, 0.0f);
    std::fill(max_, max_ + rows, -std::numeric_limits<float>::infinity());
    std::fill(total_, total_ + rows, 0.0f);

    // Blocks that lie in segment and prefix are the same keys for all rows; the rest goes branch by branch.
    const bool one_run = lo[tile.begin] == lo[tile.end - 1];
    const int together = one_run ? 0 : sequence.shared() / kBlock;
    sequence.lo = lo[tile.begin];
    for (int b = 0; b < together; b++) block(sequence, b, tile.begin, tile.end);
    for (int r = tile.begin; r < tile.end;) {
      int end = r + 1;
      while (end < tile.end && lo[end] == lo[r]) end++;
      sequence.lo = lo[r];
      for (int b = together; b * kBlock <= position(sequence, end - 1); b++) block(sequence, b, r, end);
      r = end;
    }

    for (int i = 0; i < rows; i++) {
      const float factor = 1.0f / total_[i];
      const float* sum = sums_ + size_t(i) * dim_padded_;
      if (out.dtype == DType::kFloat32)
        kernels_.scale_to(sum, dim_, factor, static_cast<float*>(out.data) + element(out, i, kv_head));
      else
        kernels_.scale_to_bf16(sum, dim_, factor, static_cast<uint16_t*>(out.data) + element(out, i, kv_head));
    }
  }

 private:
  // Tile row i is pack row begin_ + i / group_, head i % group_ of the group.
  size_t element(const View& x, int i, int kv_head) const {
    return size_t(begin_ + i / group_) * x.cols + size_t(kv_head * group_ + i % group_) * dim_;
  }

  static int position(const Sequence& s, int row) {
    return row < s.tree.start + s.tree.prefix_len ? s.tree.segment_len + row - s.tree.start : s.shared() + row - s.lo;
  }

  void gather(const Sequence& sequence, int begin, int end) {
    const int panel = gemm_.panel;
    sequence.pieces(begin, end, [&](int offset, int count, const float* k, const float* v) {
      for (int i = 0; i < count;) {
        const int slot = (offset + i) % panel, n = std::min(count - i, panel - slot);
        kernels_.transpose(k + i * sequence.stride, sequence.stride, n, dim_,
                           keys_ + (offset + i) / panel * panel * dim_ + slot, panel);
        i += n;
      }
      for (int c = 0; c < dim_; c += panel)
        kernels_.copy_tile(v + c, sequence.stride, count, std::min(panel, dim_ - c),
                           values_ + c * kBlock + offset * panel, panel);
    });
  }

  // Block b of the keys against pack rows [r0, r1).
  void block(const Sequence& sequence, int b, int r0, int r1) {
    const int begin = b * kBlock, end = std::min(begin + kBlock, position(sequence, r1 - 1) + 1), n = end - begin;
    gather(sequence, begin, end);
    const int i0 = (r0 - begin_) * group_, rows = (r1 - r0) * group_, panel = gemm_.panel;
    float* scores = scores_ + i0 * kBlock;
    for (int p = 0; p * panel < n; p++)
      gemm_.run(queries_ + i0 * dim_, dim_, rows, keys_ + p * panel * dim_, 0, dim_, scores + p * panel, kBlock, false);
    for (int i = i0; i < i0 + rows; i++) {
      const int seen = std::clamp(position(sequence, begin_ + i / group_) + 1 - begin, 0, n);
      float* row = scores_ + i * kBlock;
      if (seen == 0) {
        std::fill(row, row + n, 0.0f);
        continue;
      }
      const float factor = kernels_.softmax_block(row, seen, n, &max_[i], &total_[i]);
      if (factor != 1.0f) kernels_.scale(sums_ + size_t(i) * dim_padded_, dim_, factor);
    }
    for (int c = 0; c < dim_; c += panel)
      gemm_.run(scores, kBlock, rows, values_ + c * kBlock, 0, n, sums_ + size_t(i0) * dim_padded_ + c, dim_padded_,
                true);
  }

  const CpuKernels& kernels_;
  const GemmKernel& gemm_;
  const int dim_, group_, dim_padded_;
  int begin_ = 0;
  float* queries_;  // [rows, dim], times 1 / sqrt(dim)
  float* keys_;     // panels [dim, panel] of 64 keys
  float* values_;   // panels [64, panel] of dim_padded columns
  float* scores_;   // [rows, 64]
  float* sums_;     // [rows, dim_padded]
  float* max_;      // [rows]
  float* total_;    // [rows]
};

}  // namespace

std::vector<QueryTile> query_tiles(const Pack& pack, HeadShape shape) {
  std::vector<QueryTile> tiles;
  const int rows = tile_rows(shape);
  for (const Tree& tree : pack.trees) {
    const int branches = tree.start + tree.prefix_len;
    for (int r = tree.start; r < branches; r += rows) tiles.push_back({tree, r, std::min(r + rows, branches)});
    for (int r = branches; r < tree.end; r += rows) tiles.push_back({tree, r, std::min(r + rows, tree.end)});
  }
  return tiles;
}

Attention::Attention(const CpuKernels& kernels, ThreadPool& pool)
    : kernels_(kernels), pool_(pool), scratch_(pool.threads()) {}

void Attention::run(const std::vector<QueryTile>& tiles, const std::vector<int32_t>& lo, View q, View k, View v,
                    const float* cache_k, const float* cache_v, HeadShape shape, View out) {
  const int count = static_cast<int>(tiles.size());
  pool_.parallel_for(count * shape.kv_heads, [&](int task, int worker) {
    // Last tiles first: in a long sequence they see the most.
    const QueryTile& tile = tiles[count - 1 - task / shape.kv_heads];
    const int kv_head = task % shape.kv_heads;
    const ptrdiff_t column = ptrdiff_t(kv_head) * shape.head_dim;
    const Sequence sequence = {static_cast<const float*>(k.data) + column,
                               static_cast<const float*>(v.data) + column,
                               cache_k ? cache_k + column : nullptr,
                               cache_v ? cache_v + column : nullptr,
                               k.cols,
                               tile.tree,
                               0};
    TileJob(kernels_, shape, scratch_[worker]).run(tile, lo.data(), q, kv_head, sequence, out);
  });
}

}  // namespace mt::cpu
