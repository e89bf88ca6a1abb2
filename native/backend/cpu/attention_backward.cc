// The backward pass of attention on the CPU.
//
// A task is one tree at one kv head: nobody else adds to the gradients of its keys and values. Keys go in blocks of
// neighbouring rows of the prefix or of one branch. A block meets the queries that see it in tiles of neighbouring rows
// of the prefix or of one branch, times the heads of the group; for each tile the scores are computed again:
//   P = exp(Q K^T / sqrt(d) - log_sums)   dP = dO V^T   dS = P (dP - D) / sqrt(d)
//   dQ += dS K   dV += P^T dO   dK += dS^T Q
// So the gradient of a query sums over blocks in ascending order of keys, and those of a key over tiles in ascending
// order of queries, whatever the number of threads.
#include "attention_backward.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mt::cpu {
namespace {

constexpr int kKeys = 64;   // keys of a block
constexpr int kRows = 96;   // rows of a tile: query rows times heads of a group
constexpr int kExtra = 16;  // rows that a kernel may touch beyond the last

int round_up(int n, int to) { return (n + to - 1) / to * to; }

// Where the arrays of a task lie in a thread's scratch memory, counted in floats.
struct TaskLayout {
  TaskLayout(const GemmKernel& gemm, int dim, int group)
      : rows(std::max(kRows / group, 1) * group), dim_out(round_up(dim, gemm.panel)) {
    const auto take = [this](size_t floats) { return std::exchange(total, total + (floats + 15) / 16 * 16); };
    const size_t tile = rows + kExtra, out = dim_out, keys = kKeys + kExtra;
    queries = take(tile * dim);
    gradients = take(tile * dim);
    query_panels = take(tile * out);
    gradient_panels = take(tile * out);
    scores = take(tile * kKeys);
    weights = take(tile * kKeys);
    transposed = take(keys * tile);
    product = take(std::max(tile, keys) * out);
    key_columns = take(kKeys * size_t(dim));
    value_columns = take(kKeys * size_t(dim));
    key_panels = take(kKeys * out);
    dkeys = take(keys * out);
    dvalues = take(keys * out);
    log_sums = take(tile);
    d_out = take(tile);
  }

  int rows, dim_out;
  size_t total = 0;
  size_t queries, gradients, query_panels, gradient_panels, scores, weights, transposed, product, key_columns,
      value_columns, key_panels, dkeys, dvalues, log_sums, d_out;
};

// The inputs and outputs of all tasks.
struct Arrays {
  View q, k, v, out, log_sums, dout, dqkv;
  HeadShape shape;
  int window;
};

class Task {
 public:
  Task(const CpuKernels& kernels, const TaskLayout& layout, float* scratch, const Arrays& arrays,
       const int32_t* branch_start, const Tree& tree, int kv_head)
      : kernels_(kernels),
        gemm_(kernels.attention_f32),
        layout_(layout),
        scratch_(scratch),
        arrays_(arrays),
        branch_start_(branch_start),
        tree_(tree),
        kv_head_(kv_head),
        group_(arrays.shape.heads / arrays.shape.kv_heads),
        dim_(arrays.shape.head_dim),
        scale_(1.0f / std::sqrt(static_cast<float>(dim_))) {}

  void run() {
    const int branches = tree_.start + tree_.prefix_len;
    for_parts(tree_.start, branches, [&](int begin, int end) { key_part(begin, end); });
    for_parts(branches, tree_.end, [&](int begin, int end) { key_part(begin, end); });
  }

 private:
  // Calls fn(begin, end) for the rows of each branch, or of the prefix, among rows begin .. end - 1.
  template <class Fn>
  void for_parts(int begin, int end, const Fn& fn) const {
    for (int next; begin < end; begin = next) {
      for (next = begin + 1; next < end && branch_start_[next] == branch_start_[begin];) next++;
      fn(begin, next);
    }
  }

  // All keys of the prefix, or of one branch.
  void key_part(int begin, int end) {
    const bool in_prefix = begin < tree_.start + tree_.prefix_len;
    for (int c = begin; c < end; c += kKeys) {
      const int keys = std::min(kKeys, end - c);
      load_keys(c, keys);
      query_part(c, keys, c, end);
      if (in_prefix) {
        for_parts(tree_.start + tree_.prefix_len, tree_.end,
                  [&](int first, int last) { query_part(c, keys, first, last); });
      }
      store(dkeys(), keys, c, arrays_.q.cols + kv_head_ * dim_);
      store(dvalues(), keys, c, arrays_.q.cols + arrays_.k.cols + kv_head_ * dim_);
    }
  }

  // The queries of rows begin .. end - 1, which see the keys from row c on.
  void query_part(int c, int keys, int begin, int end) {
    const int tile = layout_.rows / group_;
    for (int r = begin; r < end; r += tile) {
      const int last = std::min(r + tile, end);
      if (position(r) - position(c + keys - 1) >= arrays_.window) return;  // and so do all rows after it
      query_tile(c, keys, r, last);
    }
  }

  void query_tile(int c, int keys, int begin, int end) {
    const int rows = (end - begin) * group_;
    load_queries(begin, end);
    const float *q = at(layout_.queries), *dout = at(layout_.gradients);
    float *scores = at(layout_.scores), *weights = at(layout_.weights);
    multiply(q, dim_, rows, at(layout_.key_columns), dim_, keys, weights, kKeys);
    multiply(dout, dim_, rows, at(layout_.value_columns), dim_, keys, scores, kKeys);
    kernels_.exp_rows(weights, kKeys, rows, keys, scale_, at(layout_.log_sums));
    for (int i = 0; i < rows; i++) {
      float *p = weights + i * kKeys, *ds = scores + i * kKeys;
      const auto [first, seen] = seen_keys(begin + i / group_, c, keys);
      std::fill(p, p + first, 0.0f);
      std::fill(p + seen, p + keys, 0.0f);
      const float d = at(layout_.d_out)[i];
      for (int j = 0; j < keys; j++) ds[j] = p[j] * (ds[j] - d) * scale_;
      std::fill(ds, ds + first, 0.0f);
      std::fill(ds + seen, ds + keys, 0.0f);
    }

    float* product = at(layout_.product);
    multiply(scores, kKeys, rows, at(layout_.key_panels), keys, dim_, product, layout_.dim_out);
    for (int i = 0; i < rows; i++) {
      float* dq = gradient(begin + i / group_, (kv_head_ * group_ + i % group_) * dim_);
      for (int j = 0; j < dim_; j++) dq[j] += product[size_t(i) * layout_.dim_out + j];
    }
    add_transposed(weights, rows, keys, at(layout_.gradient_panels), dvalues());
    add_transposed(scores, rows, keys, at(layout_.query_panels), dkeys());
  }

  // sums [keys, dim] += x^T y, x being [rows, keys] and y the panels of [rows, dim].
  void add_transposed(const float* x, int rows, int keys, const float* y, float* sums) {
    float *x_t = at(layout_.transposed), *product = at(layout_.product);
    const int ld = layout_.rows + kExtra;
    kernels_.transpose(x, kKeys, rows, keys, x_t, ld);
    multiply(x_t, ld, keys, y, rows, dim_, product, layout_.dim_out);
    for (int i = 0; i < keys * layout_.dim_out; i++) sums[i] += product[i];
  }

  // c [rows, n] = a [rows, k] times panels of [k, n]; c has room for whole panels.
  void multiply(const float* a, ptrdiff_t lda, int rows, const float* panels, int k, int n, float* c, ptrdiff_t ldc) {
    for (int j = 0; j < n; j += gemm_.panel) gemm_.run(a, lda, rows, panels + size_t(j) * k, 0, k, c + j, ldc, false);
  }

  // x [rows, dim] as panels of dim_out columns.
  void make_panels(const float* x, ptrdiff_t ldx, int rows, float* panels) {
    for (int j = 0; j < dim_; j += gemm_.panel)
      kernels_.copy_tile(x + j, ldx, rows, std::min(gemm_.panel, dim_ - j), panels + size_t(j) * rows, gemm_.panel);
  }
  // x^T, x being [rows, dim], as panels of `rows` columns.
  void make_columns(const float* x, ptrdiff_t ldx, int rows, float* panels) {
    for (int j = 0; j < rows; j += gemm_.panel)
      kernels_.transpose(x + j * ldx, ldx, std::min(gemm_.panel, rows - j), dim_, panels + size_t(j) * dim_,
                         gemm_.panel);
  }

  void load_keys(int c, int keys) {
    const float* k = row(arrays_.k, c) + kv_head_ * dim_;
    make_columns(k, arrays_.k.cols, keys, at(layout_.key_columns));
    make_panels(k, arrays_.k.cols, keys, at(layout_.key_panels));
    make_columns(row(arrays_.v, c) + kv_head_ * dim_, arrays_.v.cols, keys, at(layout_.value_columns));
    std::fill_n(dkeys(), size_t(keys) * layout_.dim_out, 0.0f);
    std::fill_n(dvalues(), size_t(keys) * layout_.dim_out, 0.0f);
  }

  void load_queries(int begin, int end) {
    const int wide = group_ * dim_, first = kv_head_ * wide;
    for (int r = begin, i = 0; r < end; r++, i += group_) {
      const float* dout = row(arrays_.dout, r) + first;
      std::copy_n(row(arrays_.q, r) + first, wide, at(layout_.queries) + size_t(i) * dim_);
      std::copy_n(dout, wide, at(layout_.gradients) + size_t(i) * dim_);
      for (int h = 0; h < group_; h++) {
        float sum = 0;
        for (int j = 0; j < dim_; j++) sum += dout[h * dim_ + j] * output(r, first + h * dim_ + j);
        at(layout_.d_out)[i + h] = sum;
        at(layout_.log_sums)[i + h] = row(arrays_.log_sums, r)[kv_head_ * group_ + h];
      }
    }
    const int rows = (end - begin) * group_;
    make_panels(at(layout_.queries), dim_, rows, at(layout_.query_panels));
    make_panels(at(layout_.gradients), dim_, rows, at(layout_.gradient_panels));
  }

  // Adds sums [keys, dim] to columns from `col` on of the gradients of rows c .. c + keys - 1.
  void store(const float* sums, int keys, int c, int col) {
    for (int i = 0; i < keys; i++) std::copy_n(sums + size_t(i) * layout_.dim_out, dim_, gradient(c + i, col));
  }

  // Which of the keys from row c on row r sees: first .. seen - 1.
  std::pair<int, int> seen_keys(int r, int c, int keys) const {
    const int ahead = position(r) - position(c);  // the key at this index has the row's own position
    const int seen = std::clamp(ahead + 1, 0, keys);
    return {std::clamp(ahead + 1 - arrays_.window, 0, seen), seen};
  }
  int position(int r) const {
    const int shared = tree_.start + tree_.prefix_len;
    return r < shared ? r - tree_.start : tree_.prefix_len + r - branch_start_[r];
  }

  float output(int r, int col) const {
    const size_t i = size_t(r) * arrays_.out.cols + col;
    return arrays_.out.dtype == DType::kFloat32 ? static_cast<const float*>(arrays_.out.data)[i]
                                                : bf16_to_f32(static_cast<const uint16_t*>(arrays_.out.data)[i]);
  }
  static const float* row(const View& x, int r) { return static_cast<const float*>(x.data) + size_t(r) * x.cols; }
  float* gradient(int r, int col) {
    return static_cast<float*>(arrays_.dqkv.data) + size_t(r) * arrays_.dqkv.cols + col;
  }
  float* at(size_t offset) { return scratch_ + offset; }
  float* dkeys() { return at(layout_.dkeys); }
  float* dvalues() { return at(layout_.dvalues); }

  const CpuKernels& kernels_;
  const GemmKernel& gemm_;
  const TaskLayout& layout_;
  float* scratch_;
  const Arrays& arrays_;
  const int32_t* branch_start_;
  const Tree& tree_;
  const int kv_head_, group_, dim_;
  const float scale_;
};

}  // namespace

AttentionBackward::AttentionBackward(const CpuKernels& kernels, ThreadPool& pool)
    : kernels_(kernels), pool_(pool), scratch_(pool.threads()) {}

void AttentionBackward::run(const std::vector<Tree>& trees, const std::vector<int32_t>& branch_start, View q, View k,
                            View v, View out, View log_sums, View dout, HeadShape shape, int window, View dqkv) {
  const TaskLayout layout(kernels_.attention_f32, shape.head_dim, shape.heads / shape.kv_heads);
  for (Memory& memory : scratch_) memory.reserve_zeroed(layout.total * sizeof(float));
  const Arrays arrays = {q, k, v, out, log_sums, dout, dqkv, shape, window};
  const int tasks = static_cast<int>(trees.size()) * shape.kv_heads;
  pool_.parallel_for(tasks, [&](int task, int worker) {
    Task(kernels_, layout, scratch_[worker].as<float>(), arrays, branch_start.data(), trees[task / shape.kv_heads],
         task % shape.kv_heads)
        .run();
  });
}

}  // namespace mt::cpu
