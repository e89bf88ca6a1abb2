// Attention over the flat tree on the CPU.
//
// A row sees positions up to its own of one virtual sequence: segment, prefix, own branch, and of them a window. Keys
// come in blocks of 64 positions, cut by absolute position; a block is gathered into the panels of the matrix kernel
// from wherever its rows lie, so the bits depend on positions only. Each block goes through scores, online softmax and
// weighted values. A key that a row does not see has weight 0, which leaves a sum as it was; a block that no row of a
// tile sees is left out.
//
// But 0 times an infinity or a NaN is NaN. A tile whose sums are not all finite therefore runs a second time, in
// careful mode: values that are not finite take no part in the products, and are added afterwards to only those rows
// that see them. So they never reach a row that does not see them, and tiles without such values take no more time.
//
// Where activations are bf16 and the variant multiplies bf16 natively, queries, keys, weights and values are rounded to
// bf16 and summed in float32; softmax and sums are float32 throughout.
#include "attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace mt::cpu {
namespace {

constexpr int kBlock = 64;
// Rows of a tile (query rows times heads of a group): enough to hide the gathering of keys, few enough for the cache.
constexpr int kTileRows = 96;
// With up to so many rows the time goes into reading the cache, not into arithmetic.
constexpr int kFewRows = 16;

template <class T>
T round_up(T n, T to) {
  return (n + to - 1) / to * to;
}
int tile_rows(HeadShape shape) { return std::max(1, kTileRows / (shape.heads / shape.kv_heads)); }

// The bits of floats without their signs have the order of the floats, infinities and NaNs last.
constexpr int32_t kInfinity = 0x7f800000;
constexpr int32_t kRoundsToInfinity = 0x7f7f8000;  // the smallest float that bf16 rounds to an infinity
bool is_below(float x, int32_t limit) { return (std::bit_cast<int32_t>(x) & 0x7fffffff) < limit; }
bool all_below(const float* x, int n, int32_t limit) {
  int32_t above = 0;  // the loop has no branches, so that it becomes vector code
  for (int i = 0; i < n; i++) above |= !is_below(x[i], limit);
  return above == 0;
}

// The keys and values that the rows of one branch (or of the prefix) see, at one kv head.
struct Sequence {
  const float* k;  // rows of the pack
  const float* v;
  const float* cache_k;
  const float* cache_v;
  ptrdiff_t stride;  // floats from row to row
  Tree tree;
  int window;
  int branch_start;

  int shared() const { return tree.segment_len + tree.prefix_len; }
  int position(int row) const { return position(row, branch_start); }
  // The position of a row in its own sequence, which may be that of another branch.
  int position(int row, int own_branch_start) const {
    return row < tree.start + tree.prefix_len ? tree.segment_len + row - tree.start : shared() + row - own_branch_start;
  }
  // The first position that a row at `position` sees.
  int first_seen(int position) const { return std::max(0, position + 1 - window); }
  const float* key(int position) const { return at(position, cache_k, k); }
  const float* value(int position) const { return at(position, cache_v, v); }

 private:
  const float* at(int position, const float* cache, const float* pack) const {
    if (position < tree.segment_len) return cache + (tree.segment_row + position) * stride;
    if (position < shared()) return pack + (tree.start + position - tree.segment_len) * stride;
    return pack + (branch_start + position - shared()) * stride;
  }
};

// Where the arrays of a tile lie in a thread's scratch memory, counted in floats.
struct TileLayout {
  TileLayout(const GemmKernel& gemm, HeadShape shape)
      : dim_in(round_up(shape.head_dim, gemm.k_align)), dim_out(round_up(shape.head_dim, gemm.panel)) {
    // A kernel may touch rows up to its alignment.
    const size_t rows = round_up(tile_rows(shape) * (shape.heads / shape.kv_heads), 16) + 16;
    const size_t in = dim_in, out = dim_out;
    const auto take = [this](size_t floats) { return std::exchange(total, total + round_up(floats, size_t{16})); };
    queries = take(rows * in);
    scores = take(rows * kBlock);
    weights = take(rows * kBlock);
    sums = take(rows * out);
    rounded_keys = take(kBlock * in);
    staged = take(kBlock * in);
    keys = take(kBlock * in);
    values = take(kBlock * out);
    max = take(rows);
    totals = take(rows);
    factors = take(rows);
    first = take(rows);
    seen = take(rows);
  }

  int dim_in, dim_out;
  size_t total = 0;
  size_t queries, scores, weights, sums, rounded_keys, staged, keys, values, max, totals, factors, first, seen;
};

// Attention of one tile at one kv head.
class TileJob {
 public:
  TileJob(const CpuKernels& kernels, const GemmKernel& gemm, HeadShape shape, const TileLayout& layout, float* scratch)
      : kernels_(kernels),
        gemm_(gemm),
        dim_(shape.head_dim),
        group_(shape.heads / shape.kv_heads),
        dim_in_(layout.dim_in),
        dim_out_(layout.dim_out),
        queries_(scratch + layout.queries),
        scores_(scratch + layout.scores),
        weights_(scratch + layout.weights),
        sums_(scratch + layout.sums),
        rounded_keys_(scratch + layout.rounded_keys),
        staged_(scratch + layout.staged),
        keys_(scratch + layout.keys),
        values_(scratch + layout.values),
        max_(scratch + layout.max),
        total_(scratch + layout.totals),
        factor_(scratch + layout.factors),
        first_(reinterpret_cast<int*>(scratch + layout.first)),
        seen_(reinterpret_cast<int*>(scratch + layout.seen)) {}

  void run(const QueryTile& tile, const int32_t* branch_start, const View& q, int kv_head, const Sequence& sequence,
           const View& out, const View& log_sums) {
    const int rows = (tile.end - tile.begin) * group_;
    branch_start_ = branch_start;
    careful_ = false;
    attend(tile, q, kv_head, sequence);
    for (int i = 0; i < rows && !careful_; i++) careful_ = !all_below(sums_ + size_t(i) * dim_out_, dim_, kInfinity);
    if (careful_) attend(tile, q, kv_head, sequence);
    for (int i = 0; i < rows; i++) {
      const float* sum = sums_ + size_t(i) * dim_out_;
      const size_t at = size_t(tile.begin + i / group_) * out.cols + size_t(kv_head * group_ + i % group_) * dim_;
      if (out.dtype == DType::kFloat32)
        kernels_.scale_to(sum, dim_, 1.0f / total_[i], static_cast<float*>(out.data) + at);
      else
        kernels_.scale_to_bf16(sum, dim_, 1.0f / total_[i], static_cast<uint16_t*>(out.data) + at);
      if (log_sums.data)
        static_cast<float*>(
            log_sums.data)[size_t(tile.begin + i / group_) * log_sums.cols + kv_head * group_ + i % group_] =
            max_[i] + std::log(total_[i]);
    }
  }

 private:
  // Computes the sums and totals of the tile's rows over all keys that they see.
  void attend(const QueryTile& tile, const View& q, int kv_head, Sequence sequence) {
    const int rows = (tile.end - tile.begin) * group_;
    std::fill(sums_, sums_ + size_t(rows) * dim_out_, 0.0f);
    std::fill(max_, max_ + rows, -std::numeric_limits<float>::infinity());
    std::fill(total_, total_ + rows, 0.0f);

    // Blocks that lie in segment and prefix are the same keys for all rows; the rest goes branch by branch.
    const bool one_branch = branch_start_[tile.begin] == branch_start_[tile.end - 1];
    const int together = one_branch ? 0 : sequence.shared() / kBlock;
    sequence.branch_start = branch_start_[tile.begin];
    if (together > 0) {
      // Where all rows are in branches, none has a position before the end of what they share.
      const int first = sequence.first_seen(sequence.shared()) / kBlock;
      load_queries(q, tile.begin, tile.end, kv_head);
      for (int b = first; b < together; b++) block(sequence, b, tile.begin, tile.end, 0);
    }
    for (int r = tile.begin, end; r < tile.end; r = end) {
      for (end = r + 1; end < tile.end && branch_start_[end] == branch_start_[r];) end++;
      sequence.branch_start = branch_start_[r];
      load_queries(q, r, end, kv_head);
      const int first = sequence.first_seen(sequence.position(r)) / kBlock;
      for (int b = std::max(first, together); b * kBlock <= sequence.position(end - 1); b++)
        block(sequence, b, r, end, (r - tile.begin) * group_);
    }
  }

  // Writes rows i .. i + rows - 1 of the left side of a product: x times `factor`, with zeros from column n up to k.
  void put_rows(void* to, int i, const float* x, ptrdiff_t ldx, int rows, int n, int k, float factor) const {
    if (gemm_.input == InputForm::kFloatRows) {
      for (int r = 0; r < rows; r++) kernels_.scale_to(x + r * ldx, n, factor, static_cast<float*>(to) + (i + r) * k);
      return;
    }
    auto* y = static_cast<uint16_t*>(to);
    if (gemm_.input == InputForm::kBf16Rows) {
      kernels_.rows_to_bf16(x, ldx, rows, n, k, factor, y + i * k, k, 32);
      return;
    }
    for (int r = 0, some; r < rows; r += some) {
      some = std::min(rows - r, 16 - (i + r) % 16);
      kernels_.rows_to_bf16(x + r * ldx, ldx, some, n, k, factor, y + (i + r) / 16 * 16 * k + (i + r) % 16 * 32, 32,
                            16 * 32);
    }
  }
  // Writes zeros below the last row, up to the kernel's alignment.
  void pad_rows(void* to, int rows, int k) const {
    put_rows(to, rows, nullptr, 0, round_up(rows, gemm_.row_align) - rows, 0, k, 0);
  }

  // Writes the queries of pack rows [r0, r1), times 1 / sqrt(dim), for all heads of the group.
  void load_queries(const View& q, int r0, int r1, int kv_head) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim_));
    const int rows = (r1 - r0) * group_;
    for (int i = 0; i < rows; i += group_)
      put_rows(queries_, i,
               static_cast<const float*>(q.data) + size_t(r0 + i / group_) * q.cols + size_t(kv_head * group_) * dim_,
               dim_, group_, dim_, dim_in_, scale);
    pad_rows(queries_, rows, dim_in_);
  }

  // The rows of n positions, side by side with the stride of the pack: where they lie, or copied to `staged`.
  struct Rows {
    const float* data;
    ptrdiff_t stride;
  };
  template <class At>
  Rows side_by_side(At at, ptrdiff_t stride, int n, float* staged) const {
    if (at(n - 1) == at(0) + (n - 1) * stride) return {at(0), stride};
    for (int j = 0; j < n; j++) std::copy_n(at(j), dim_, staged + j * dim_);
    return {staged, dim_};
  }

  // Writes the keys of positions begin .. begin + n - 1 as columns of panels, and their values as rows of panels.
  void gather(const Sequence& s, int begin, int n) {
    const int panel = gemm_.panel;
    const Rows k = side_by_side([&](int j) { return s.key(begin + j); }, s.stride, n, staged_);
    if (gemm_.pairs) {
      // A pair of bf16 is moved about as one float.
      kernels_.rows_to_bf16(k.data, k.stride, n, dim_, dim_in_, 1.0f, reinterpret_cast<uint16_t*>(rounded_keys_),
                            dim_in_, 32);
      for (int j = 0; j < n; j += panel)
        kernels_.transpose(rounded_keys_ + j * dim_in_ / 2, dim_in_ / 2, std::min(panel, n - j), dim_in_ / 2,
                           keys_ + j * dim_in_ / 2, panel);
    } else {
      for (int j = 0; j < n; j += panel)
        kernels_.transpose(k.data + j * k.stride, k.stride, std::min(panel, n - j), dim_, keys_ + j * dim_, panel);
    }
    Rows v = side_by_side([&](int j) { return s.value(begin + j); }, s.stride, n, staged_);
    if (careful_) v = finite_values(v, n);
    for (int c = 0; c < dim_; c += panel) {
      const int cols = std::min(panel, dim_ - c);
      if (gemm_.pairs)
        kernels_.pair_rows(v.data + c, v.stride, n, cols, round_up(n, gemm_.k_align),
                           reinterpret_cast<uint16_t*>(values_) + c * kBlock, 2 * panel);
      else
        kernels_.copy_tile(v.data + c, v.stride, n, cols, values_ + c * kBlock, panel);
    }
  }

  // Values from this limit on are infinities or NaN, or become infinities when they are rounded.
  int32_t value_limit() const { return gemm_.pairs ? kRoundsToInfinity : kInfinity; }

  // Returns the same rows with 0 in place of values that are not finite.
  Rows finite_values(Rows v, int n) const {
    for (int j = 0; j < n; j++)
      for (int i = 0; i < dim_; i++) {
        const float value = v.data[j * v.stride + i];
        staged_[j * dim_ + i] = is_below(value, value_limit()) ? value : 0;
      }
    return {staged_, dim_};
  }

  // Adds the values of positions begin .. begin + n - 1 that finite_values() has replaced by 0 to those of the `rows`
  // rows of sums that see them.
  void add_other_values(const Sequence& s, int begin, int n, int rows, float* sums) const {
    for (int j = 0; j < n; j++) {
      const float* value = s.value(begin + j);
      if (all_below(value, dim_, value_limit())) continue;
      for (int r = 0; r < rows; r++) {
        if (j < first_[r] || j >= seen_[r]) continue;
        for (int i = 0; i < dim_; i++)
          if (!is_below(value[i], value_limit())) sums[size_t(r) * dim_out_ + i] += scores_[r * kBlock + j] * value[i];
      }
    }
  }

  // Fetches the keys and values of a block before `end`: rows of one head lie apart, which no hardware foresees.
  void prefetch_block(const Sequence& s, int begin, int end) const {
    for (int p = begin; p < std::min(begin + kBlock, end); p++)
      for (int i = 0; i < dim_; i += 16) {
        __builtin_prefetch(s.key(p) + i);
        __builtin_prefetch(s.value(p) + i);
      }
  }

  // Adds block b of the keys to the sums of pack rows [r0, r1), which begin at row i0 of the tile.
  void block(const Sequence& s, int b, int r0, int r1, int i0) {
    const int begin = b * kBlock, n = std::min(kBlock, s.position(r1 - 1) + 1 - begin);
    const int rows = (r1 - r0) * group_, panel = gemm_.panel;
    if (rows <= kFewRows) prefetch_block(s, begin + kBlock, s.position(r1 - 1) + 1);
    gather(s, begin, n);
    for (int p = 0; p < n; p += panel)
      gemm_.run(queries_, dim_in_, rows, panel_of(keys_, p, dim_in_), 0, dim_in_, scores_ + p, kBlock, false);
    for (int i = 0; i < rows; i++) {
      const int row = r0 + i / group_, position = s.position(row, branch_start_[row]);
      seen_[i] = std::clamp(position + 1 - begin, 0, n);
      first_[i] = std::clamp(s.first_seen(position) - begin, 0, seen_[i]);
    }
    kernels_.softmax_rows(scores_, kBlock, rows, n, first_, seen_, max_ + i0, total_ + i0, factor_);
    float* sums = sums_ + size_t(i0) * dim_out_;
    kernels_.scale_rows(sums, dim_out_, rows, dim_, factor_);
    const int k = round_up(n, gemm_.k_align);
    const float* weights = scores_;
    if (gemm_.input != InputForm::kFloatRows) {
      put_rows(weights_, 0, scores_, kBlock, rows, n, k, 1.0f);
      pad_rows(weights_, rows, k);
      weights = weights_;
    }
    const int ld = gemm_.input == InputForm::kFloatRows ? kBlock : k;
    for (int c = 0; c < dim_; c += panel)
      gemm_.run(weights, ld, rows, panel_of(values_, c, kBlock), 0, k, sums + c, dim_out_, true);
    if (careful_) add_other_values(s, begin, n, rows, sums);
  }

  // Returns the panel of columns c .. c + panel - 1, which has k rows.
  const void* panel_of(const float* panels, int c, int k) const {
    return gemm_.pairs ? panels + size_t(c) * k / 2 : panels + size_t(c) * k;
  }

  const CpuKernels& kernels_;
  const GemmKernel& gemm_;
  const int dim_, group_, dim_in_, dim_out_;
  float* queries_;                         // [rows, dim_in] in the kernel's input form, times 1 / sqrt(dim)
  float* scores_;                          // [rows, 64]
  float* weights_;                         // [rows, 64] in the kernel's input form, if that is not float32 rows
  float* sums_;                            // [rows, dim_out]
  float* rounded_keys_;                    // [64, dim_in] bf16
  float* staged_;                          // [64, dim] keys or values of a block that straddles pieces
  float* keys_;                            // panels [dim_in, panel] of 64 keys
  float* values_;                          // panels [64, panel] of dim_out columns
  float* max_;                             // [rows]
  float* total_;                           // [rows]
  float* factor_;                          // [rows]
  const int32_t* branch_start_ = nullptr;  // [tokens of the pack]
  int* first_;                             // [rows] the first key of the block that a row sees
  int* seen_;                              // [rows] the end of the keys of the block that it sees
  bool careful_ = false;                   // whether values that are not finite are kept out of the products
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

void Attention::run(const std::vector<QueryTile>& tiles, const std::vector<int32_t>& branch_start, View q, View k,
                    View v, const float* cache_k, const float* cache_v, HeadShape shape, int window, View out,
                    View log_sums) {
  const bool bf16 = out.dtype == DType::kBFloat16 && kernels_.attention_bf16;
  const GemmKernel& gemm = bf16 ? *kernels_.attention_bf16 : kernels_.attention_f32;
  const TileLayout layout(gemm, shape);
  for (Memory& memory : scratch_) memory.reserve_zeroed(layout.total * sizeof(float));
  const auto attend = [&](const QueryTile& tile, int kv_head, int worker) {
    const ptrdiff_t column = ptrdiff_t(kv_head) * shape.head_dim;
    const Sequence sequence = {static_cast<const float*>(k.data) + column,
                               static_cast<const float*>(v.data) + column,
                               cache_k ? cache_k + column : nullptr,
                               cache_v ? cache_v + column : nullptr,
                               k.cols,
                               tile.tree,
                               window,
                               0};
    TileJob(kernels_, gemm, shape, layout, scratch_[worker].as<float>())
        .run(tile, branch_start.data(), q, kv_head, sequence, out, log_sums);
  };
  // All tasks go into one loop, unless there are more of them than an int can count.
  const size_t count = std::numeric_limits<int>::max() / shape.kv_heads;
  for (size_t first = 0; first < tiles.size(); first += count) {
    const int batch = static_cast<int>(std::min(count, tiles.size() - first));
    pool_.parallel_for(batch * shape.kv_heads, [&](int task, int worker) {
      attend(tiles[first + task / shape.kv_heads], task % shape.kv_heads, worker);
    });
  }
}

}  // namespace mt::cpu
