// The backward pass of attention (attention_backward.h), in float32. A block has a tile of query rows or of keys at one
// kv head, and holds it and the block that it meets in shared memory: 73 KB. Bound by reads of shared memory.
#include "../runtime/launch.cuh"
#include "attention.cuh"
#include "attention_backward.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// d_out[t, h] = dout . out. A warp has one head of one token.
template <class T>
MT_KERNEL(kThreads, 4)
d_out_kernel(const float* dout, const T* out, int count, int d, float* d_out) {
  const int index = block_x() * kWarps + warp_index();
  if (index >= count) return;
  const int64_t at = static_cast<int64_t>(index) * d;
  float sum = 0;
  for (int i = lane_index(); i < d; i += kWarp) sum = fma_f32(dout[at + i], to_float(out[at + i]), sum);
  sum = warp_sum(sum);
  if (lane_index() == 0) d_out[index] = sum;
}

// kRows query rows meet kRows keys. With `halves`, queries, keys and values are rounded to bf16, as attention() did.
template <int kRows>
class TileJob {
  static constexpr int kRowThreads = kThreads / kRows;  // that share a row of sums
  static constexpr int kChunks = 4;                     // of four columns that a thread sums
  static constexpr int kSide = kRows / 16;              // a thread has kSide x kSide weights, 16 rows and 16 keys apart
  static constexpr int kWeightStride = kRows + 1;

 public:
  static constexpr int kColumns = kRowThreads * kChunks * 4;  // the largest head
  static constexpr size_t shared_bytes(int d) {
    return (4 * kRows * stride_of(d) + 2 * kRows * kWeightStride) * sizeof(float);
  }

  MT_DEVICE TileJob(const AttentionGradients& a, float scale, bool halves)
      : a_(a),
        scale_(scale),
        halves_(halves),
        d_(a.shape.head_dim),
        group_(a.shape.heads / a.shape.kv_heads),
        kv_head_(block_y()),
        stride_(stride_of(d_)),
        q_(reinterpret_cast<float*>(shared_memory())),
        dout_(q_ + kRows * stride_),
        k_(dout_ + kRows * stride_),
        v_(k_ + kRows * stride_),
        weights_(v_ + kRows * stride_),
        dscores_(weights_ + kRows * kWeightStride) {}

  MT_DEVICE void run_queries() {
    const int first_row = block_x() * kRows;
    const int first = first_row / group_, last_row = min_of(first_row + kRows, a_.tokens * group_) - 1;
    const int last = last_row / group_, prefix_end = a_.prefix_end[first], branch = a_.branch_start[first];
    load_queries(first_row);
    for (int key = a_.tree_start[first]; key <= last; key += kRows) {
      // No row sees the branches between the prefix and the first row's own. Later trees begin later.
      if (key >= prefix_end && key < branch) key = branch;
      meet(first_row, key, [&] { load_keys(key); });
      accumulate(sums_, dscores_ + own_row() * kWeightStride, 1, k_);
    }
    const int row = first_row + own_row();
    if (row > last_row) return;
    store(sums_, row / group_, (kv_head_ * group_ + row % group_) * d_);
  }

  MT_DEVICE void run_keys() {
    const int first_key = block_x() * kRows, last_key = min_of(first_key + kRows, a_.tokens) - 1;
    load_keys(first_key);
    for (int row = first_key * group_; row < a_.tokens * group_; row += kRows) {
      const int token = row / group_;
      // Rows from here on see no key: their branch begins later, and so does their tree, or its prefix ends before.
      if (a_.branch_start[token] > last_key && (a_.tree_start[token] > last_key || a_.prefix_end[token] <= first_key))
        break;
      meet(row, first_key, [&] { load_queries(row); });
      accumulate(sums_, dscores_ + own_row(), kWeightStride, q_);
      accumulate(value_sums_, weights_ + own_row(), kWeightStride, dout_);
    }
    const int key = first_key + own_row();
    if (key > last_key) return;
    const int column = (a_.shape.heads + kv_head_) * d_;
    store(sums_, key, column);
    store(value_sums_, key, column + a_.shape.kv_heads * d_);
  }

 private:
  // Four neighbouring columns of a row are one access. Rows begin on different banks.
  MT_HOST_DEVICE static constexpr int stride_of(int d) { return (d + 3) / 4 * 4 + 4; }
  MT_DEVICE static int min_of(int a, int b) { return a < b ? a : b; }
  MT_DEVICE static int own_row() { return thread_index() / kRowThreads; }

  // Fills rows of shared memory with from(row), which are d numbers or null, and zeros.
  template <class Source>
  MT_DEVICE void load(float* to, bool rounds, const Source& from) {
    for (int i = thread_index(); i < kRows * stride_; i += kThreads) {
      const int r = i / stride_, c = i % stride_;
      const float* row = from(r);
      const float x = row && c < d_ ? row[c] : 0.0f;
      to[i] = rounds ? to_float(from_float<bf16>(x)) : x;
    }
  }

  MT_DEVICE void load_queries(int first_row) {
    const auto rows_of = [&](const float* x) {
      return [&, x](int r) {
        const int row = first_row + r;
        return row < a_.tokens * group_ ? x + query_offset(a_.shape, row, kv_head_) : nullptr;
      };
    };
    load(q_, halves_, rows_of(a_.q));
    load(dout_, false, rows_of(a_.dout));
  }

  MT_DEVICE void load_keys(int first_key) {
    const auto rows_of = [&](const float* x) {
      return [&, x](int r) {
        const int64_t key = first_key + r;
        return key < a_.tokens ? x + (key * a_.shape.kv_heads + kv_head_) * d_ : nullptr;
      };
    };
    load(k_, halves_, rows_of(a_.k));
    load(v_, halves_, rows_of(a_.v));
  }

  // Loads the other side, and computes the weights and the gradients of the scores of all pairs.
  template <class Load>
  MT_DEVICE void meet(int first_row, int first_key, const Load& load_other) {
    sync_block();  // nobody reads the block before any more
    load_other();
    sync_block();
    float scores[kSide][kSide] = {}, dweights[kSide][kSide] = {};
    const int r0 = thread_index() / 16, c0 = thread_index() % 16;
    for (int i = 0; i < d_; i += 4) {
      Vec16<float> q[kSide], dout[kSide], k[kSide], v[kSide];
#pragma unroll
      for (int s = 0; s < kSide; s++) {
        q[s] = load16(q_ + (r0 + 16 * s) * stride_ + i);
        dout[s] = load16(dout_ + (r0 + 16 * s) * stride_ + i);
        k[s] = load16(k_ + (c0 + 16 * s) * stride_ + i);
        v[s] = load16(v_ + (c0 + 16 * s) * stride_ + i);
      }
#pragma unroll
      for (int r = 0; r < kSide; r++)
#pragma unroll
        for (int c = 0; c < kSide; c++)
#pragma unroll
          for (int e = 0; e < 4; e++) {
            scores[r][c] = fma_f32(q[r].v[e], k[c].v[e], scores[r][c]);
            dweights[r][c] = fma_f32(dout[r].v[e], v[c].v[e], dweights[r][c]);
          }
    }
#pragma unroll
    for (int r = 0; r < kSide; r++)
#pragma unroll
      for (int c = 0; c < kSide; c++) {
        const int row = first_row + r0 + 16 * r, key = first_key + c0 + 16 * c;
        float weight = 0, dscore = 0;
        if (row < a_.tokens * group_ && sees(row / group_, key)) {
          const int64_t at = query_index(a_.shape, row, kv_head_);
          weight = exp_f32(scores[r][c] * scale_ - a_.log_sums[at]);
          dscore = weight * (dweights[r][c] - a_.d_out[at]) * scale_;
        }
        weights_[(r0 + 16 * r) * kWeightStride + c0 + 16 * c] = weight;
        dscores_[(r0 + 16 * r) * kWeightStride + c0 + 16 * c] = dscore;
      }
    sync_block();
  }

  MT_DEVICE bool sees(int token, int key) const {
    return key <= token && key >= a_.tree_start[token] &&
           (key >= a_.branch_start[token] || key < a_.prefix_end[token]) && a_.pos[token] - a_.pos[key] < a_.window;
  }

  using Sums = Vec16<float>[kChunks];

  // sums += the sum over the block of factors[i * step] * the columns of row i
  MT_DEVICE void accumulate(Sums& sums, const float* factors, int step, const float* rows) {
    for (int i = 0; i < kRows; i++) {
      const float factor = factors[i * step];
#pragma unroll
      for (int j = 0; j < kChunks; j++) {
        const int c = column(j);
        if (c >= d_) break;
        const Vec16<float> x = load16(rows + i * stride_ + c);
#pragma unroll
        for (int e = 0; e < 4; e++) sums[j].v[e] = fma_f32(factor, x.v[e], sums[j].v[e]);
      }
    }
  }

  MT_DEVICE static int column(int chunk) { return (thread_index() % kRowThreads + chunk * kRowThreads) * 4; }

  MT_DEVICE void store(const Sums& sums, int token, int first) {
    float* to = a_.dqkv + static_cast<int64_t>(token) * (a_.shape.heads + 2 * a_.shape.kv_heads) * d_ + first;
#pragma unroll
    for (int j = 0; j < kChunks; j++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        if (column(j) + e < d_) to[column(j) + e] = sums[j].v[e];
  }

  const AttentionGradients& a_;
  const float scale_;
  const bool halves_;
  const int d_, group_, kv_head_, stride_;
  float *const q_, *const dout_;           // [kRows][stride_] of query rows
  float *const k_, *const v_;              // the same of keys
  float *const weights_, *const dscores_;  // [kRows][kWeightStride]: query rows by keys
  Sums sums_ = {}, value_sums_ = {};
};

template <int kRows>
MT_KERNEL(kThreads, 1)
query_gradients_kernel(AttentionGradients a, float scale, bool halves) {
  TileJob<kRows>(a, scale, halves).run_queries();
}

template <int kRows>
MT_KERNEL(kThreads, 1)
key_gradients_kernel(AttentionGradients a, float scale, bool halves) {
  TileJob<kRows>(a, scale, halves).run_keys();
}

template <int kRows>
void both_passes(Device& device, const AttentionGradients& a, bool halves) {
  const HeadShape& s = a.shape;
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  const int rows = a.tokens * (s.heads / s.kv_heads);
  const size_t shared = TileJob<kRows>::shared_bytes(s.head_dim);
  launch(device, {.x = (rows + kRows - 1) / kRows, .y = s.kv_heads, .threads = kThreads, .shared = shared},
         query_gradients_kernel<kRows>, a, scale, halves);
  launch(device, {.x = (a.tokens + kRows - 1) / kRows, .y = s.kv_heads, .threads = kThreads, .shared = shared},
         key_gradients_kernel<kRows>, a, scale, halves);
}

}  // namespace

template <class T>
void attention_backward(Device& device, const AttentionGradients& a, const T* out) {
  const int count = a.tokens * a.shape.heads;
  launch(device, {.x = (count + kWarps - 1) / kWarps, .threads = kThreads}, d_out_kernel<T>, a.dout, out, count,
         a.shape.head_dim, a.d_out);
  constexpr bool kHalves = sizeof(T) == 2;
  static_assert(TileJob<16>::kColumns == kLargestHead);
  if (a.shape.head_dim <= TileJob<32>::kColumns)
    both_passes<32>(device, a, kHalves);
  else
    both_passes<16>(device, a, kHalves);
}

template void attention_backward(Device&, const AttentionGradients&, const float*);
template void attention_backward(Device&, const AttentionGradients&, const bf16*);

}  // namespace mt::MT_TARGET
