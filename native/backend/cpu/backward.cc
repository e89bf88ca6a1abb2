// The ops of the backward pass and of the optimizer on the CPU. Sums over rows go column by column or block by block,
// so that each is one thread's.
#include "backward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "arrays.h"
#include "attention_backward.h"
#include "memory.h"
#include "pack.h"

namespace mt::cpu {
namespace {

constexpr size_t kSquaresBlock = 4096;
constexpr size_t kLogitBytes = 64u << 20;  // of the logits of a part of the head's rows
constexpr int kHeadRange = 1024;           // columns over which the head's softmax sums in float32

size_t size(View x) { return size_t(x.rows) * x.cols; }

class CpuBackward final : public BackwardOps {
 public:
  CpuBackward(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm)
      : kernels_(kernels), pool_(pool), gemm_(gemm), attention_(kernels, pool), rows_(pool.threads()) {}

  // ---- weights ----

  void read_rows(const Matrix& matrix, int row, View values) override {
    for_blocks(values.rows, 64, [&](int begin, int end, int) {
      for (int r = begin; r < end; r++) packed(matrix).read_row(row + r, floats(values, r));
    });
  }

  void repack(Matrix& matrix, View master, float factor, int row, int col) override {
    CpuMatrix& m = packed(matrix);
    if (factor != 1) scaled_.reserve_zeroed(size(master) * sizeof(float));
    for_blocks(master.rows, 64, [&](int begin, int end, int) {
      const float* values = floats(master, begin);
      if (factor != 1) values = scaled(values, size_t(end - begin) * master.cols, factor, size_t(begin) * master.cols);
      m.write_block(row + begin, end - begin, col, master.cols, values, kernels_);
    });
  }

  void repack_transposed(Matrix& matrix, View master, float factor, int row, int col) override {
    CpuMatrix& m = packed(matrix);
    scaled_.reserve_zeroed(size(master) * sizeof(float));
    for_blocks(master.rows, 16, [&](int begin, int end, int) {
      for (int r = begin; r < end; r++)
        m.write_column(col + r, row, master.cols,
                       scaled(floats(master, r), master.cols, factor, size_t(r) * master.cols));
    });
  }

  void transpose(const Matrix& w, Matrix& w_t) override {
    CpuMatrix& to = packed(w_t);
    if (w.dtype != DType::kFloat16)
      return for_blocks(w.rows, CpuMatrix::kPairedRows,
                        [&](int begin, int end, int) { to.write_columns(packed(w), begin, end - begin, kernels_); });
    for (Memory& memory : rows_) memory.reserve_zeroed(size_t(w.cols) * sizeof(float));
    for_blocks(w.rows, 16, [&](int begin, int end, int worker) {
      float* row = rows_[worker].as<float>();
      for (int r = begin; r < end; r++) {
        packed(w).read_row(r, row);
        to.write_column(r, 0, w.cols, row);
      }
    });
  }

  // ---- what moves numbers ----

  void fill_zero(View x) override {
    for_elements(size(x), [&](size_t begin, size_t count) { std::fill_n(floats(x) + begin, count, 0.0f); });
  }

  void convert(View x, View y) override {
    for_blocks(y.rows, 16, [&](int begin, int end, int) {
      for (int r = begin; r < end; r++) {
        if (x.dtype == DType::kFloat32 && y.dtype == DType::kFloat32) {
          std::copy_n(floats(x, r), y.cols, floats(y, r));
        } else if (y.dtype == DType::kFloat32) {
          kernels_.widen_bf16(halves(x, r), y.cols, floats(y, r));
        } else if (x.dtype == DType::kFloat32) {
          round_rows(floats(x, r), x.cols, 1, y.cols, halves(y, r), y.cols);
        } else {
          std::copy_n(halves(x, r), y.cols, halves(y, r));
        }
      }
    });
  }

  void scatter_rows(const PlacedPack& pack, View dy, View dx) override {
    const std::vector<int32_t>& rows = placed(pack).rows;
    for (size_t i = 0; i < rows.size(); i++) {
      const float* from = floats(dy, static_cast<int>(i));
      float* to = floats(dx, rows[i]);
      for (int j = 0; j < dx.cols; j++) to[j] += from[j];
    }
  }

  void embed_backward(const PlacedPack& pack, View dx, View dtable) override {
    const std::vector<int32_t>& ids = placed(pack).ids;
    std::vector<int32_t> order(ids.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return ids[a] < ids[b]; });
    std::vector<int32_t> starts;  // where the tokens of another id begin in `order`
    for (size_t i = 0; i < order.size(); i++)
      if (i == 0 || ids[order[i]] != ids[order[i - 1]]) starts.push_back(static_cast<int32_t>(i));
    starts.push_back(static_cast<int32_t>(order.size()));
    for (Memory& memory : rows_) memory.reserve_zeroed(size_t(dx.cols) * sizeof(float));
    pool_.parallel_for(static_cast<int>(starts.size()) - 1, [&](int group, int worker) {
      float* sum = rows_[worker].as<float>();
      std::fill_n(sum, dx.cols, 0.0f);
      for (int32_t i = starts[group]; i < starts[group + 1]; i++) {
        const float* from = floats(dx, order[i]);
        for (int j = 0; j < dx.cols; j++) sum[j] += from[j];
      }
      float* to = floats(dtable, ids[order[starts[group]]]);
      for (int j = 0; j < dx.cols; j++) to[j] += sum[j];
    });
  }

  // ---- ops ----

  HeadLoss head_loss(View h, const Matrix& w, const Matrix& w_t, std::span<const int32_t> targets,
                     std::span<const float> weights, View dh, View dw, const Control& control) override {
    HeadLoss result;
    const size_t fitting = kLogitBytes / (size_t(w.rows) * sizeof(float));
    const int part = static_cast<int>(std::clamp<size_t>(fitting, 16, std::max(h.rows, 16)));
    logits_.reserve_zeroed(size_t(part) * w.rows * sizeof(float));
    losses_.reserve_zeroed(size_t(part) * sizeof(RowLoss));
    if (h.dtype == DType::kBFloat16) rounded_.reserve_zeroed(size_t(part) * w.rows * sizeof(uint16_t));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const int rows = std::min(part, h.rows - first);
      const View h_part = h.part(first, rows);
      const View z = {logits_.data(), rows, w.rows, DType::kFloat32};
      product(h_part, w, z, {});
      auto* losses = losses_.as<RowLoss>();
      pool_.parallel_for(rows, [&](int r, int) {
        losses[r] = softmax_gradient(floats(z, r), w.rows, targets[first + r], weights[first + r]);
      });
      for (int r = 0; r < rows; r++) {
        result.loss += double{weights[first + r]} * losses[r].loss;
        result.correct += losses[r].correct;
      }
      View dz = z;
      if (h.dtype == DType::kBFloat16) {
        dz = {rounded_.data(), rows, w.rows, DType::kBFloat16};
        convert(z, dz);
      }
      product(dz, w_t, dh.part(first, rows), {});
      if (dw.data) linear_backward(z, h_part, dw, {});
    }
    return result;
  }

  void rms_norm_backward(View x, View w, float eps, View dy, View dx, View dw) override {
    scales_.reserve_zeroed(size_t(x.rows) * sizeof(float));
    auto* scales = scales_.as<float>();
    for_blocks(x.rows, 16, [&](int begin, int end, int) {
      for (int r = begin; r < end; r++)
        scales[r] = kernels_.rms_norm_backward(floats(x, r), floats(w), floats(dy, r), x.cols, eps, floats(dx, r));
    });
    if (!dw.data) return;
    for_blocks(x.cols, kColumns, [&](int begin, int end, int) {
      float sums[kColumns] = {};
      for (int r = 0; r < x.rows; r++) {
        const float *in = floats(x, r) + begin, *d = floats(dy, r) + begin;
        for (int i = 0; i < end - begin; i++) sums[i] += d[i] * in[i] * scales[r];
      }
      for (int i = 0; i < end - begin; i++) floats(dw)[begin + i] += sums[i];
    });
  }

  void linear_backward(const Columns& dy, const Columns& a, View dw, View dbias) override {
    if (std::min(dy.count, a.count) <= kThin)
      add_thin_product(dy, a, dw);
    else if (dy.x.dtype == DType::kBFloat16 && kernels_.gemm_for(DType::kBFloat16).input != InputForm::kFloatStrips)
      add_product_of_pairs(dy, a, dw);
    else
      add_product(dy, a, dw);
    if (!dbias.data) return;
    for_blocks(dy.count, kColumns, [&](int begin, int end, int) {
      float sums[kColumns] = {};
      for (int r = 0; r < dy.x.rows; r++) {
        for (int i = begin; i < end; i++) sums[i - begin] += element(dy.x, r, dy.first + i);
      }
      for (int i = begin; i < end; i++) floats(dbias)[i] += sums[i - begin];
    });
  }

  void product(View a, const Matrix& w, View y, const LowRank& added) override {
    const int panel = packed(w).shape.panel;
    const bool direct = y.dtype == DType::kFloat32;
    const auto finish = [&](const ProductTile& tile) {
      const int first = tile.panel * panel, cols = std::min(panel, w.rows - first);
      if (direct) {
        kernels_.copy_tile(tile.c, tile.ldc, tile.rows, cols, floats(y, tile.row) + first, y.cols);
      } else {
        round_rows(tile.c, tile.ldc, tile.rows, cols, halves(y, tile.row) + first, y.cols);
      }
    };
    gemm_.multiply(a, packed(w), 0, finish, added, direct ? FloatRows{floats(y), y.cols} : FloatRows{});
  }

  void swiglu_backward(View dy, const Matrix& w_t, View gate_up, View f, View dgate_up, const LowRank& added) override {
    const int panel = packed(w_t).shape.panel;
    const auto finish = [&](const ProductTile& tile) {
      const int first = tile.panel * panel, cols = std::min(panel, f.cols - first);
      const float* gate = floats(gate_up, tile.row) + first;
      if (f.dtype == DType::kFloat32)
        kernels_.swiglu_backward(tile.c, tile.ldc, tile.rows, cols, gate, f.cols, floats(f, tile.row) + first,
                                 floats(dgate_up, tile.row) + first);
      else
        kernels_.swiglu_backward_bf16(tile.c, tile.ldc, tile.rows, cols, gate, f.cols, halves(f, tile.row) + first,
                                      halves(dgate_up, tile.row) + first);
    };
    gemm_.multiply(dy, packed(w_t), 0, finish, added);
  }

  void attention_backward(const PlacedPack& pack, View q, View k, View v, View out, View log_sums, View dout,
                          HeadShape shape, int window, View dqkv) override {
    fill_zero(dqkv);
    const CpuPack& p = placed(pack);
    attention_.run(p.trees, p.branch_start, q, k, v, out, log_sums, dout, shape, window, dqkv);
  }

  void rope_backward(const PlacedPack& pack, const RopeTable& rope, HeadShape shape, View dqkv) override {
    const std::vector<int32_t>& pos = placed(pack).pos;
    const int half = shape.head_dim / 2;
    for_blocks(dqkv.rows, 16, [&](int begin, int end, int) {
      for (int t = begin; t < end; t++) {
        const float *cos = floats(rope.cos, pos[t]), *sin = floats(rope.sin, pos[t]);
        float* row = floats(dqkv, t);
        for (int head = 0; head < shape.heads + shape.kv_heads; head++, row += shape.head_dim) {
          for (int i = 0; i < half; i++) {
            const float a = row[i], b = row[i + half];
            row[i] = a * cos[i] + b * sin[i];
            row[i + half] = b * cos[i] - a * sin[i];
          }
        }
      }
    });
  }

  // ---- the optimizer ----

  double sum_squares(View x) override {
    const size_t blocks = (size(x) + kSquaresBlock - 1) / kSquaresBlock;
    sums_.reserve_zeroed(blocks * sizeof(double));
    auto* sums = sums_.as<double>();
    for_elements(size(x), [&](size_t begin, size_t count) {
      double sum = 0;
      for (size_t i = begin; i < begin + count; i++) sum += double{floats(x)[i]} * floats(x)[i];
      sums[begin / kSquaresBlock] = sum;
    });
    return std::accumulate(sums, sums + blocks, 0.0);
  }

  void adamw(View w, View gradient, View m, View v, const AdamW& options) override {
    const AdamWFactors factors(options);
    for_elements(size(w), [&](size_t begin, size_t count) {
      kernels_.adamw(floats(w) + begin, floats(gradient) + begin, floats(m) + begin, floats(v) + begin, count, factors);
    });
  }

 private:
  static constexpr int kColumns = 64;
  static constexpr int kThin = 48;      // columns of a thin matrix, at most
  static constexpr int kThinRows = 16;  // rows that a task widens at a time
  static constexpr int kTurned = 64;    // rows and columns of a block that is turned

  struct RowLoss {
    double loss;
    bool correct;
  };

  // Calls fn(begin, end, worker) for pieces of `step` of 0 .. count - 1.
  template <class Fn>
  void for_blocks(int count, int step, const Fn& fn) {
    pool_.parallel_for((count + step - 1) / step,
                       [&](int task, int worker) { fn(task * step, std::min(count, (task + 1) * step), worker); });
  }
  // Calls fn(begin, count) for blocks of kSquaresBlock elements.
  template <class Fn>
  void for_elements(size_t count, const Fn& fn) {
    const size_t blocks = (count + kSquaresBlock - 1) / kSquaresBlock;
    // A task has as many blocks as keep their number below what an int counts.
    const size_t each = std::max<size_t>(1, blocks / (1u << 20));
    pool_.parallel_for(static_cast<int>((blocks + each - 1) / each), [&](int task, int) {
      for (size_t b = task * each; b < std::min(blocks, (task + 1) * each); b++)
        fn(b * kSquaresBlock, std::min(kSquaresBlock, count - b * kSquaresBlock));
    });
  }

  // dw += dy^T a, as the product of dy^T with the rows of a^T, which are packed as those of a weight are.
  void add_product(const Columns& dy, const Columns& a, View dw) {
    const GemmKernel& kernel = kernels_.gemm_for(DType::kFloat32);
    columns_.reserve_zeroed(PanelShape(kernel, a.count, a.x.rows, MatrixKind::kPlain, {}).bytes(DType::kFloat32));
    CpuMatrix a_t(kernel, a.count, a.x.rows, MatrixKind::kPlain, {}, DType::kFloat32, columns_.data());
    for (Memory& memory : rows_) memory.reserve_zeroed(size_t(a.count) * sizeof(float));
    for_blocks(a.x.rows, 16, [&](int begin, int end, int worker) {
      for (int t = begin; t < end; t++) a_t.write_column(t, 0, a.count, widened_row(a, t, rows_[worker].as<float>()));
    });
    gemm_.multiply_transposed(dy, a_t, [&](const ProductTile& tile) { add_sums(dw, tile, kernel.panel); });
  }
  // The same by a kernel that multiplies bf16. It reads pairs of rows, so that dy has to be turned, pair by pair.
  void add_product_of_pairs(const Columns& dy, const Columns& a, View dw) {
    const GemmKernel& kernel = kernels_.gemm_for(DType::kBFloat16);
    const int rows = a.x.rows;
    columns_.reserve_zeroed(PanelShape(kernel, a.count, rows, MatrixKind::kPlain, {}).bytes(DType::kBFloat16));
    CpuMatrix a_t(kernel, a.count, rows, MatrixKind::kPlain, {}, DType::kBFloat16, columns_.data());
    for_blocks(rows, kTurned, [&](int begin, int end, int) {
      a_t.write_bf16_columns(begin, end - begin, halves(a.x, begin) + a.first, a.x.cols, kernels_);
    });
    const int k = a_t.shape.k_padded;
    turned_.reserve_zeroed(size_t(dy.count) * k * sizeof(uint16_t));
    for_blocks(dy.count, kTurned, [&](int begin, int end, int) {
      alignas(64) uint16_t pairs[kTurned * kTurned];
      for (int t = 0; t < k; t += kTurned) {
        const int some = std::min(kTurned, k - t);
        kernels_.pair_rows_bf16(halves(dy.x, t) + dy.first + begin, dy.x.cols, std::min(some, rows - t), end - begin,
                                some, pairs, 2 * kTurned);
        kernels_.transpose(reinterpret_cast<const float*>(pairs), kTurned, some / 2, end - begin,
                           turned_.as<float>() + (size_t(begin) * k + t) / 2, k / 2);
      }
    });
    gemm_.multiply({turned_.data(), dy.count, k, DType::kBFloat16}, a_t, 0,
                   [&](const ProductTile& tile) { add_sums(dw, tile, kernel.panel); });
  }
  void add_sums(View dw, const ProductTile& tile, int panel) {
    const int first = tile.panel * panel, cols = std::min(panel, dw.cols - first);
    float* sums = floats(dw, tile.row) + first;
    kernels_.add_tile(tile.c, tile.ldc, tile.rows, cols, nullptr, sums, sums, dw.cols);
  }
  // The same where dy or a is thin, as those of adapters are: packing the other one would take longer than multiplying.
  void add_thin_product(const Columns& dy, const Columns& a, View dw) {
    const bool is_dy = dy.count <= a.count;
    const Columns &thin = is_dy ? dy : a, &wide = is_dy ? a : dy;
    const int rows = wide.x.rows;
    const float* z = floats(thin.x) + thin.first;
    int ldz = thin.x.cols;
    if (thin.x.dtype != DType::kFloat32) {
      columns_.reserve_zeroed(size_t(rows) * thin.count * sizeof(float));
      float* widened = columns_.as<float>();
      for_blocks(rows, kThinRows, [&](int begin, int end, int) {
        for (int t = begin; t < end; t++) widened_row(thin, t, widened + size_t(t) * thin.count);
      });
      z = widened;
      ldz = thin.count;
    }
    for (Memory& memory : rows_) memory.reserve_zeroed(size_t(thin.count + kThinRows) * kColumns * sizeof(float));
    for_blocks(wide.count, kColumns, [&](int begin, int end, int worker) {
      float *sums = rows_[worker].as<float>(), *widened = sums + thin.count * kColumns;
      std::fill(sums, widened, 0.0f);
      const int first = wide.first + begin, cols = end - begin;
      if (wide.x.dtype == DType::kFloat32) {
        kernels_.add_outer(z, ldz, thin.count, floats(wide.x) + first, wide.x.cols, rows, cols, sums, kColumns);
      } else {
        for (int t = 0; t < rows; t += kThinRows) {
          const int some = std::min(kThinRows, rows - t);
          for (int r = 0; r < some; r++)
            kernels_.widen_bf16(halves(wide.x, t + r) + first, cols, widened + r * kColumns);
          kernels_.add_outer(z + size_t(t) * ldz, ldz, thin.count, widened, kColumns, some, cols, sums, kColumns);
        }
      }
      for (int i = 0; i < thin.count; i++)
        for (int j = 0; j < cols; j++) {
          float* to = is_dy ? floats(dw, i) + begin + j : floats(dw, begin + j) + i;
          *to += sums[i * kColumns + j];
        }
    });
  }

  static float element(View x, int row, int col) {
    const size_t i = size_t(row) * x.cols + col;
    return x.dtype == DType::kFloat32 ? floats(x)[i] : bf16_to_f32(static_cast<const uint16_t*>(x.data)[i]);
  }
  // Row t of the columns, which is widened into `room` if it has to be.
  const float* widened_row(const Columns& of, int t, float* room) const {
    if (of.x.dtype == DType::kFloat32) return floats(of.x, t) + of.first;
    kernels_.widen_bf16(halves(of.x, t) + of.first, of.count, room);
    return room;
  }

  // Rounds rows that lie ldx and ldy apart.
  void round_rows(const float* x, ptrdiff_t ldx, int rows, int cols, uint16_t* y, ptrdiff_t ldy) const {
    constexpr int kWhole = 32;  // so many columns of a row lie side by side, and the next ones after them
    kernels_.rows_to_bf16(x, ldx, rows, cols, cols, 1.0f, y, ldy, kWhole);
  }

  // factor * values, at a place of its own in scaled_
  const float* scaled(const float* values, size_t count, float factor, size_t at) const {
    float* to = scaled_.as<float>() + at;
    for (size_t i = 0; i < count; i++) to[i] = factor * values[i];
    return to;
  }

  // Turns the logits z [n] into the gradient of weight * -log softmax(z)[target] by them.
  RowLoss softmax_gradient(float* z, int n, int32_t target, float weight) const {
    float max = -std::numeric_limits<float>::infinity();
    int32_t best = 0;
    double total = 0;
    for (int first = 0; first < n; first += kHeadRange) {
      HeadPartial partial = {-std::numeric_limits<float>::infinity(), 0, 0};
      kernels_.head_tile(z + first, n, 1, std::min(kHeadRange, n - first), first, &partial);
      if (partial.max > max) {
        total = total * std::exp(double{max} - partial.max) + partial.sum;
        max = partial.max;
        best = partial.argmax;
      } else {
        total += partial.sum * std::exp(double{partial.max} - max);
      }
    }
    const float log_sum = max + static_cast<float>(std::log(total));
    const RowLoss result = {double{log_sum} - z[target], best == target};
    kernels_.exp_rows(z, n, 1, n, 1.0f, &log_sum);
    z[target] -= 1.0f;
    kernels_.scale_to(z, n, weight, z);
    return result;
  }

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  Gemm& gemm_;
  AttentionBackward attention_;
  std::vector<Memory> rows_;  // one row of floats for each thread
  Memory columns_;            // a^T, packed, or a thin matrix, widened
  Memory turned_;             // dy^T, if bf16 is multiplied
  Memory logits_, rounded_;   // of a part of the head's rows
  Memory losses_, scales_, sums_, scaled_;
};

}  // namespace

std::unique_ptr<BackwardOps> make_backward_ops(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm) {
  return std::make_unique<CpuBackward>(kernels, pool, gemm);
}

}  // namespace mt::cpu
