// The ops of the forward pass on the CPU: matrix products with their epilogues, and what goes row by row.
#include "cpu_backend.h"

#include <algorithm>
#include <cstring>

#include "../../base/cpu_info.h"
#include "../../base/thread_pool.h"
#include "arrays.h"
#include "attention.h"
#include "backward.h"
#include "dispatch.h"
#include "gemm.h"
#include "head.h"
#include "matrix.h"
#include "memory.h"
#include "pack.h"

namespace mt::cpu {
namespace {

class CpuBuffer final : public Buffer {
 public:
  explicit CpuBuffer(size_t bytes) : memory_(bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  Memory memory_;
};

// Returns element i of a bias, or null if the layer has no bias.
const float* bias_at(View bias, int i) { return bias.data ? static_cast<const float*>(bias.data) + i : nullptr; }

class CpuBackend final : public Backend {
 public:
  CpuBackend(const CpuKernels& kernels, int threads)
      : kernels_(kernels),
        pool_(threads),
        gemm_(kernels, pool_),
        attention_(kernels, pool_),
        head_(kernels, pool_, gemm_),
        backward_(make_backward_ops(kernels, pool_, gemm_)) {}

  std::string name() const override { return std::string("cpu ") + kernels_.name; }

  // ---- memory ----

  std::unique_ptr<Buffer> allocate(size_t bytes) override { return std::make_unique<CpuBuffer>(bytes); }
  void upload(void* device, const void* host, size_t bytes) override { std::memcpy(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { std::memcpy(host, device, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  // ---- weights ----

  size_t matrix_bytes(int rows, int cols, MatrixKind kind, HeadShape heads, DType dtype) const override {
    return PanelShape(kernels_.gemm_for(dtype), rows, cols, kind, heads).bytes(dtype);
  }
  std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape heads, DType dtype,
                                        void* memory) override {
    return std::make_unique<CpuMatrix>(kernels_.gemm_for(dtype), rows, cols, kind, heads, dtype, memory);
  }
  void write_rows(Matrix& matrix, int row, int count, const float* values) override {
    CpuMatrix& m = packed(matrix);
    pool_.parallel_for((count + 63) / 64, [&](int task, int) {
      const int first = 64 * task;
      m.write_block(row + first, std::min(64, count - first), 0, m.cols, values + size_t(first) * m.cols, kernels_);
    });
  }
  DType activation_dtype(DType weights) const override {
    return weights == DType::kBFloat16 ? DType::kBFloat16 : DType::kFloat32;
  }

  BackwardOps* backward() override { return backward_.get(); }

  // ---- packs ----

  std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape, std::span<const int>) override {
    auto p = std::make_unique<CpuPack>();
    p->tokens = static_cast<int>(pack.ids.size());
    p->ids.assign(pack.ids.begin(), pack.ids.end());
    p->pos.assign(pack.pos.begin(), pack.pos.end());
    p->branch_start.assign(pack.branch_start.begin(), pack.branch_start.end());
    p->trees.assign(pack.trees.begin(), pack.trees.end());
    p->rows.assign(pack.rows.begin(), pack.rows.end());
    p->cache_rows.assign(pack.cache_rows.begin(), pack.cache_rows.end());
    p->tiles = query_tiles(pack, shape);
    return p;
  }

  // ---- ops ----

  void embed(const PlacedPack& pack, const Matrix& table, View x) override {
    const CpuPack& p = placed(pack);
    pool_.parallel_for(p.tokens, [&](int t, int) { packed(table).read_row(p.ids[t], floats(x, t)); });
  }

  void rms_norm(View x, View w, float eps, View y) override {
    const auto* weight = static_cast<const float*>(w.data);
    for_rows(x.rows, [&](int r) {
      if (y.dtype == DType::kFloat32)
        kernels_.rms_norm(floats(x, r), weight, x.cols, eps, floats(y, r));
      else
        kernels_.rms_norm_bf16(floats(x, r), weight, x.cols, eps, halves(y, r));
    });
  }

  void qkv(const PlacedPack& pack, View h, const Matrix& w, const QkvFinish& finish, HeadShape shape, View q, View k,
           View v, const LowRank& added) override {
    const int half_dim = shape.head_dim / 2, pairs = w.rows / 2;
    const int key_heads = shape.heads + shape.kv_heads;
    // A head's norm needs all of the head, which may lie in several tiles. Then the product is stored as it is.
    const bool normed = finish.q_norm.data != nullptr;
    const float *cos = floats(finish.rope.cos, 0), *sin = floats(finish.rope.sin, 0);
    const std::vector<int32_t>& pos = placed(pack).pos;
    const auto finish_tile = [&](const ProductTile& tile) {
      const int half = packed(w).shape.panel / 2;
      const int first = tile.panel * half, last = std::min(first + half, pairs);
      for (int pair = first, n; pair < last; pair += n) {
        const int head = pair / half_dim, i = pair % half_dim;
        n = std::min(half_dim - i, last - pair);
        const View out = head < shape.heads ? q : head < key_heads ? k : v;
        const int in_out = head < shape.heads ? head : head < key_heads ? head - shape.heads : head - key_heads;
        const bool turns = head < key_heads && !normed;
        const int at = in_out * shape.head_dim + i;
        kernels_.rotate_tile(tile.c + pair - first, tile.ldc, half, tile.rows, n, half_dim,
                             bias_at(finish.bias, head * shape.head_dim + i), turns ? cos + i : nullptr,
                             turns ? sin + i : nullptr, pos.data() + tile.row, floats(out, tile.row) + at, out.cols);
      }
    };
    gemm_.multiply(h, packed(w), 0, finish_tile, added);
    if (!normed) return;
    for_rows(h.rows, [&](int row) {
      const auto finish_heads = [&](View x, View w, int heads) {
        for (int head = 0; head < heads; head++) {
          float* values = floats(x, row) + head * shape.head_dim;
          kernels_.rms_norm(values, static_cast<const float*>(w.data), shape.head_dim, finish.eps, values);
          kernels_.rotate_tile(values, 0, half_dim, 1, half_dim, half_dim, nullptr, cos, sin, &pos[row], values, 0);
        }
      };
      finish_heads(q, finish.q_norm, shape.heads);
      finish_heads(k, finish.k_norm, shape.kv_heads);
    });
  }

  void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer, HeadShape shape,
                 int window, View out, View log_sums) override {
    const CpuPack& p = placed(pack);
    attention_.run(p.tiles, p.branch_start, q, k, v, cache ? floats(cache->k[layer], 0) : nullptr,
                   cache ? floats(cache->v[layer], 0) : nullptr, shape, window, out, log_sums);
  }

  void append_kv(const PlacedPack& pack, View k, View v, const KvCache& cache, int layer) override {
    const CpuPack& p = placed(pack);
    for (int t = 0; t < p.tokens; t++) {
      std::copy_n(floats(k, t), k.cols, floats(cache.k[layer], p.cache_rows[t]));
      std::copy_n(floats(v, t), v.cols, floats(cache.v[layer], p.cache_rows[t]));
    }
  }

  void linear_add(View a, const Matrix& w, View bias, View x, View y, const LowRank& added) override {
    const auto finish = [&](const ProductTile& tile) {
      const int panel = packed(w).shape.panel, first = tile.panel * panel;
      kernels_.add_tile(tile.c, tile.ldc, tile.rows, std::min(panel, x.cols - first), bias_at(bias, first),
                        floats(x, tile.row) + first, floats(y, tile.row) + first, x.cols);
    };
    gemm_.multiply(a, packed(w), 0, finish, added);
  }

  void swiglu(View h, const Matrix& w, View bias, View f, const LowRank& added, View gate_up) override {
    const auto finish = [&](const ProductTile& tile) {
      const int half = packed(w).shape.panel / 2, first = tile.panel * half, cols = std::min(half, f.cols - first);
      const float *gate = bias_at(bias, first), *up = bias_at(bias, f.cols + first);
      if (gate_up.data) {
        for (int r = 0; gate && r < tile.rows; r++) {
          float* sums = tile.c + r * tile.ldc;
          for (int i = 0; i < cols; i++) {
            sums[i] += gate[i];
            sums[half + i] += up[i];
          }
        }
        gate = up = nullptr;
        float *to_gate = floats(gate_up, tile.row) + first, *to_up = to_gate + f.cols;
        kernels_.copy_tile(tile.c, tile.ldc, tile.rows, cols, to_gate, gate_up.cols);
        kernels_.copy_tile(tile.c + half, tile.ldc, tile.rows, cols, to_up, gate_up.cols);
      }
      if (f.dtype == DType::kFloat32)
        kernels_.swiglu_tile(tile.c, tile.ldc, half, tile.rows, cols, gate, up, floats(f, tile.row) + first, f.cols);
      else
        kernels_.swiglu_tile_bf16(tile.c, tile.ldc, half, tile.rows, cols, gate, up, halves(f, tile.row) + first,
                                  f.cols);
    };
    gemm_.multiply(h, packed(w), 0, finish, added);
  }

  void gather_rows(const PlacedPack& pack, View x, View y) override {
    const std::vector<int32_t>& rows = placed(pack).rows;
    for (size_t i = 0; i < rows.size(); i++) std::copy_n(floats(x, rows[i]), x.cols, floats(y, static_cast<int>(i)));
  }

  void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                  const Control& control) override {
    head_.score(h, packed(w), targets, top_k, result, control);
  }

  void head_sample(View h, const Matrix& w, std::span<const Draw> draws, const LogitChanges& changes,
                   std::span<int32_t> ids, std::span<float> log_prob, const Control& control) override {
    head_.sample(h, packed(w), draws, changes, ids, log_prob, control);
  }

  void head_logits(View h, const Matrix& w, float* logits, const Control& control) override {
    head_.logits(h, packed(w), logits, control);
  }

 private:
  // Calls fn(row) for all rows, in tasks of enough rows to be worth handing to a thread.
  template <class Fn>
  void for_rows(int rows, Fn fn) {
    constexpr int kRows = 16;
    pool_.parallel_for((rows + kRows - 1) / kRows, [&](int task, int) {
      for (int r = kRows * task; r < std::min(rows, kRows * (task + 1)); r++) fn(r);
    });
  }

  const CpuKernels& kernels_;
  ThreadPool pool_;
  Gemm gemm_;
  Attention attention_;
  Head head_;
  const std::unique_ptr<BackwardOps> backward_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(const CpuKernels& kernels, int threads) {
  return std::make_unique<CpuBackend>(kernels, threads);
}

}  // namespace mt::cpu

namespace mt {

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  return cpu::make_backend(cpu::choose_kernels(), threads > 0 ? threads : usable_threads());
}

}  // namespace mt
