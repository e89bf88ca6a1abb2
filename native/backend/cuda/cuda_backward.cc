// The backward pass on a GPU: hands each op to its launchers. Gradients by weights are products of transposed copies,
// so that all products go through the kernels of the forward pass.
#include "cuda_backward.h"

#include <bit>

#include "attention/attention_backward.h"

namespace mt::MT_TARGET {
namespace {

int64_t size(View x) { return int64_t{x.rows} * x.cols; }

template <class T>
MatrixRows<T> rows_of(View x) {
  return {static_cast<T*>(x.data), x.cols};
}
template <class T>
MatrixRows<T> rows_of(Columns columns) {
  return {static_cast<T*>(columns.x.data) + columns.first, columns.x.cols};
}
template <class T>
MatrixRows<T> rows_of(const Matrix& matrix, int row = 0, int col = 0) {
  const RowLayout& layout = packed(matrix).layout();
  return {static_cast<T*>(const_cast<void*>(packed(matrix).data())) + col, layout.stride, layout.places, row};
}
// How many columns to write where `cols` columns of the matrix from `col` on are: those that only fill its rows too.
int filled(const Matrix& matrix, int col, int cols) {
  return col + cols == matrix.cols ? static_cast<int>(packed(matrix).layout().stride) - col : cols;
}

class CudaBackward final : public BackwardOps {
 public:
  explicit CudaBackward(DeviceContext& context) : context_(context), device_(context.device) {}

  // ---- weights ----

  void read_rows(const Matrix& matrix, int row, View values) override {
    device_.set_op("read_rows");
    with_trained_type(matrix.dtype, [&](auto t) {
      using T = decltype(t);
      copy_matrix<T, float>(device_, rows_of<const T>(matrix, row), values.rows, values.cols, 1, rows_of<float>(values),
                            values.cols);
    });
  }

  void repack(Matrix& matrix, View master, float factor, int row, int col) override {
    device_.set_op("repack");
    with_trained_type(matrix.dtype, [&](auto t) {
      using T = decltype(t);
      copy_matrix<float, T>(device_, rows_of<const float>(master), master.rows, master.cols, factor,
                            rows_of<T>(matrix, row, col), filled(matrix, col, master.cols));
    });
  }

  void repack_transposed(Matrix& matrix, View master, float factor, int row, int col) override {
    device_.set_op("repack_transposed");
    with_trained_type(matrix.dtype, [&](auto t) {
      using T = decltype(t);
      transpose_matrix<float, T>(device_, rows_of<const float>(master), master.rows, master.cols, factor,
                                 rows_of<T>(matrix, row, col), filled(matrix, col, master.rows));
    });
  }

  void transpose(const Matrix& w, Matrix& w_t) override {
    device_.set_op("transpose");
    with_trained_type(w.dtype, [&](auto t) {
      using T = decltype(t);
      const auto to = rows_of<T>(w_t);
      transpose_matrix<T, T>(device_, rows_of<const T>(w), w.rows, w.cols, 1, to, static_cast<int>(to.stride));
    });
  }

  // ---- what moves numbers ----

  void fill_zero(View x) override {
    device_.set_op("fill_zero");
    if (size(x) > 0) device_.zero(x.data, size(x) * dtype_size(x.dtype));
  }

  void convert(View x, View y) override {
    device_.set_op("convert");
    copy(x, y);
  }

  void scatter_rows(const PlacedPack& pack, View dy, View dx) override {
    device_.set_op("scatter_rows");
    add_rows(device_, floats(dy), placed(pack).rows, placed(pack).row_count, dx.cols, floats(dx));
  }

  void embed_backward(const PlacedPack& pack, View dx, View dtable) override {
    device_.set_op("embed_backward");
    add_rows(device_, floats(dx), placed(pack).ids, pack.tokens, dx.cols, floats(dtable));
  }

  // ---- ops ----

  HeadLoss head_loss(View h, const Matrix& w, const Matrix& w_t, std::span<const int32_t> targets,
                     std::span<const float> weights, View dh, View dw, const Control& control) override {
    if (h.rows == 0) return {};
    device_.set_op("head_loss");
    const size_t rows = h.rows;
    // [rows] each: targets, weights, then what comes back: losses, best tokens.
    auto* target_ids = context_.head_rows.get<int32_t>(device_, 4 * rows);
    auto* row_weights = reinterpret_cast<float*>(target_ids + rows);
    float* losses = row_weights + rows;
    auto* best_ids = target_ids + 3 * rows;
    context_.upload_rows(target_ids, targets);
    context_.upload_rows(row_weights, weights);
    const int part = context_.rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = h.part(first, std::min(part, h.rows - first));
      float* logits = context_.some_logits(some, w);
      with_trained_type(h.dtype, [&](auto t) {
        using T = decltype(t);
        T* dz = dz_of<T>(logits, size_t(some.rows) * w.rows);
        MT_TARGET::head_loss(device_, logits, some.rows, w.rows, target_ids + first, row_weights + first, dz,
                             losses + first, best_ids + first);
        const View dz_view = {dz, some.rows, w.rows, h.dtype};
        context_.product(dz_view, w_t, floats(dh.part(first, some.rows)));
        if (dw.data) add_products(dz_view, some, dw);
      });
    }
    const float* back = context_.fetch<float>(losses, 2 * rows);
    HeadLoss result;
    for (size_t r = 0; r < rows; r++) {
      result.loss += double{weights[r]} * back[r];
      result.correct += std::bit_cast<int32_t>(back[rows + r]) == targets[r];
    }
    return result;
  }

  void rms_norm_backward(View x, View w, float eps, View dy, View dx, View dw) override {
    if (x.rows == 0) return;
    device_.set_op("rms_norm_backward");
    float* scales = row_numbers_.get<float>(device_, x.rows);
    MT_TARGET::rms_norm_backward(device_, floats(x), floats(w), eps, floats(dy), x.rows, x.cols, floats(dx), scales);
    if (dw.data) sum_columns(device_, floats(dy), x.rows, x.cols, floats(x), scales, floats(dw));
  }

  void linear_backward(const Columns& dy, const Columns& a, View dw, View dbias) override {
    if (dy.x.rows == 0) return;
    device_.set_op("linear_backward");
    add_products(dy, a, dw);
    if (!dbias.data) return;
    with_trained_type(dy.x.dtype, [&](auto t) {
      const auto* d = static_cast<const decltype(t)*>(dy.x.data);
      sum_columns(device_, d, dy.x.rows, dy.count, nullptr, nullptr, floats(dbias));
    });
  }

  void product(View a, const Matrix& w, View y, const LowRank& added) override {
    device_.set_op("product");
    if (y.dtype == DType::kFloat32) return context_.product(a, w, floats(y), {}, added);
    copy({context_.wide_product(a, w, {}, added), a.rows, w.rows, DType::kFloat32}, y);
  }

  void swiglu_backward(View dy, const Matrix& w_t, View gate_up, View f, View dgate_up, const LowRank& added) override {
    device_.set_op("swiglu_backward");
    const float* df = context_.wide_product(dy, w_t, {}, added);
    with_trained_type(f.dtype, [&](auto t) {
      using T = decltype(t);
      MT_TARGET::swiglu_backward(device_, floats(gate_up), df, f.rows, f.cols, static_cast<T*>(f.data),
                                 static_cast<T*>(dgate_up.data));
    });
  }

  void attention_backward(const PlacedPack& pack, View q, View k, View v, View out, View log_sums, View dout,
                          HeadShape shape, int window, View dqkv) override {
    device_.set_op("attention_backward");
    const CudaPack& p = placed(pack);
    const AttentionGradients gradients = {.tokens = p.tokens,
                                          .branch_start = p.branch_start,
                                          .tree_start = p.tree_start,
                                          .prefix_end = p.prefix_end,
                                          .pos = p.pos,
                                          .q = floats(q),
                                          .k = floats(k),
                                          .v = floats(v),
                                          .log_sums = floats(log_sums),
                                          .dout = floats(dout),
                                          .d_out = row_numbers_.get<float>(device_, size_t(p.tokens) * shape.heads),
                                          .shape = shape,
                                          .window = window,
                                          .dqkv = floats(dqkv)};
    with_trained_type(out.dtype, [&](auto t) {
      MT_TARGET::attention_backward(device_, gradients, static_cast<const decltype(t)*>(out.data));
    });
  }

  void rope_backward(const PlacedPack& pack, const RopeTable& rope, HeadShape shape, View dqkv) override {
    device_.set_op("rope_backward");
    MT_TARGET::rope_backward(
        device_, {placed(pack).pos, floats(rope.cos), floats(rope.sin), shape.heads, shape.kv_heads, shape.head_dim},
        dqkv.rows, floats(dqkv));
  }

  // ---- the optimizer ----

  double sum_squares(View x) override {
    device_.set_op("sum_squares");
    double* total = sums_.get<double>(device_, 1 + square_blocks(size(x)));
    MT_TARGET::sum_squares(device_, floats(x), size(x), total + 1, total);
    return *context_.fetch<double>(total, 1);
  }

  void adamw(View w, View gradient, View m, View v, const AdamW& options) override {
    device_.set_op("adamw");
    MT_TARGET::adamw(device_, floats(w), floats(gradient), floats(m), floats(v), size(w), AdamWFactors(options));
  }

 private:
  void copy(View x, View y) {
    with_trained_type(x.dtype, [&](auto s) {
      with_trained_type(y.dtype, [&](auto t) {
        using From = decltype(s);
        using To = decltype(t);
        copy_matrix<From, To>(device_, rows_of<const From>(x), y.rows, y.cols, 1, rows_of<To>(y), y.cols);
      });
    });
  }

  // Where the gradient by `logits` goes: float32 over them.
  template <class T>
  T* dz_of([[maybe_unused]] float* logits, [[maybe_unused]] size_t count) {
    if constexpr (std::is_same_v<T, float>)
      return logits;
    else
      return dz_.get<T>(device_, count);
  }

  // dw += dy^T a, by transposed copies of both.
  void add_products(const Columns& dy, const Columns& a, View dw) {
    with_trained_type(dy.x.dtype, [&](auto t) {
      using T = decltype(t);
      const int rows = dy.x.rows;
      const int64_t stride = RowLayout(1, rows, MatrixKind::kPlain, {}, dy.x.dtype).stride;
      T* dy_t = transposed_.get<T>(device_, (int64_t{dy.count} + a.count) * stride);
      T* a_t = dy_t + dy.count * stride;
      const int padded = static_cast<int>(stride);
      transpose_matrix<T, T>(device_, rows_of<const T>(dy), rows, dy.count, 1, {dy_t, stride}, padded);
      transpose_matrix<T, T>(device_, rows_of<const T>(a), rows, a.count, 1, {a_t, stride}, padded);
      const GemmOperands<T> operands = {dy_t, a_t, dy.count, a.count, rows, stride, context_.tiling()};
      MT_TARGET::linear_add(device_, operands, nullptr, floats(dw));
    });
  }

  DeviceContext& context_;
  Device& device_;
  Scratch transposed_;   // gradients and activations, for products over the rows
  Scratch dz_;           // the gradient by a part of the logits, where it is not float32
  Scratch row_numbers_;  // a number for each row, or for each head of it
  Scratch sums_;
};

}  // namespace

std::unique_ptr<BackwardOps> make_backward_ops(DeviceContext& context) {
  return std::make_unique<CudaBackward>(context);
}

}  // namespace mt::MT_TARGET
