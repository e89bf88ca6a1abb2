// The backward pass in plain scalar code on one thread: the definition that the other backends are compared with.
// Numbers are float32; sums within a row, of which differences are made, are float64.
#include <algorithm>
#include <cmath>

#include "reference.h"

namespace mt::reference {
namespace {

constexpr size_t kSquaresBlock = 4096;

float* data(View x) { return static_cast<float*>(x.data); }
size_t size(View x) { return static_cast<size_t>(x.rows) * x.cols; }

class ReferenceBackward final : public BackwardOps {
 public:
  // ---- weights ----

  void read_rows(const Matrix& matrix, int row, View values) override {
    for (int r = 0; r < values.rows; r++) std::copy_n(packed(matrix).row(row + r), values.cols, row_of(values, r));
  }

  void repack(Matrix& matrix, View master, float factor, int row, int col) override {
    for (int r = 0; r < master.rows; r++) {
      for (int c = 0; c < master.cols; c++) store(matrix, row + r, col + c, factor * row_of(master, r)[c]);
    }
  }

  void repack_transposed(Matrix& matrix, View master, float factor, int row, int col) override {
    for (int r = 0; r < master.rows; r++) {
      for (int c = 0; c < master.cols; c++) store(matrix, row + c, col + r, factor * row_of(master, r)[c]);
    }
  }

  void transpose(const Matrix& w, Matrix& w_t) override {
    float* to = static_cast<ReferenceMatrix&>(w_t).values;
    for (int r = 0; r < w.rows; r++) {
      for (int c = 0; c < w.cols; c++) to[static_cast<size_t>(c) * w.rows + r] = packed(w).row(r)[c];
    }
  }

  // ---- what moves numbers ----

  void fill_zero(View x) override { std::fill_n(data(x), size(x), 0.0f); }

  void convert(View x, View y) override {
    for (int r = 0; r < y.rows; r++) {
      for (int i = 0; i < y.cols; i++) set(y, r, i, get(x, r, i));
    }
  }

  void scatter_rows(const PlacedPack& pack, View dy, View dx) override {
    const std::vector<int32_t>& rows = placed(pack).rows;
    for (size_t i = 0; i < rows.size(); i++) add_row(dy, static_cast<int>(i), dx, rows[i]);
  }

  void embed_backward(const PlacedPack& pack, View dx, View dtable) override {
    const ReferencePack& p = placed(pack);
    std::vector<float> sum(dx.cols);
    std::vector<bool> done(dtable.rows);
    for (int first = 0; first < p.tokens; first++) {
      const int32_t id = p.ids[first];
      if (done[id]) continue;
      done[id] = true;
      std::fill(sum.begin(), sum.end(), 0.0f);
      for (int t = first; t < p.tokens; t++) {
        if (p.ids[t] != id) continue;
        for (int i = 0; i < dx.cols; i++) sum[i] += row_of(dx, t)[i];
      }
      for (int i = 0; i < dx.cols; i++) row_of(dtable, id)[i] += sum[i];
    }
  }

  // ---- ops ----

  HeadLoss head_loss(View h, const Matrix& w, const Matrix& w_t, std::span<const int32_t> targets,
                     std::span<const float> weights, View dh, View dw, const Control& control) override {
    HeadLoss result;
    std::vector<float> dz(static_cast<size_t>(h.rows) * w.rows);
    for (int r = 0; r < h.rows; r++) {
      control.poll();
      float* z = dz.data() + static_cast<size_t>(r) * w.rows;
      for (int i = 0; i < w.rows; i++) z[i] = dot(h, r, packed(w).row(i));
      const float* best = std::max_element(z, z + w.rows);
      if (best - z == targets[r]) result.correct++;
      const float largest = *best;
      double total = 0;
      for (int i = 0; i < w.rows; i++) total += std::exp(z[i] - largest);
      const float log_sum = largest + static_cast<float>(std::log(total));
      result.loss += double{weights[r]} * (log_sum - z[targets[r]]);
      for (int i = 0; i < w.rows; i++) z[i] = weights[r] * (std::exp(z[i] - log_sum) - (i == targets[r] ? 1.0f : 0.0f));
      for (int i = 0; i < h.cols; i++) {
        const float* column = packed(w_t).row(i);
        float sum = 0;
        for (int j = 0; j < w.rows; j++) sum += z[j] * column[j];
        row_of(dh, r)[i] = sum;
      }
    }
    if (dw.data) add_products(View{dz.data(), h.rows, w.rows, DType::kFloat32}, h, dw);
    return result;
  }

  void rms_norm_backward(View x, View w, float eps, View dy, View dx, View dw) override {
    const int n = x.cols;
    const float* weight = data(w);
    std::vector<float> weight_sum(n);
    for (int r = 0; r < x.rows; r++) {
      const float *in = row_of(x, r), *d = row_of(dy, r);
      double squares = 0, products = 0;
      for (int i = 0; i < n; i++) {
        squares += double{in[i]} * in[i];
        products += double{d[i]} * weight[i] * in[i];
      }
      const auto scale = static_cast<float>(1 / std::sqrt(squares / n + eps));
      const auto mean = static_cast<float>(products / n * scale);
      for (int i = 0; i < n; i++) {
        row_of(dx, r)[i] += scale * (d[i] * weight[i] - in[i] * scale * mean);
        weight_sum[i] += d[i] * in[i] * scale;
      }
    }
    if (!dw.data) return;
    for (int i = 0; i < n; i++) data(dw)[i] += weight_sum[i];
  }

  void linear_backward(const Columns& dy, const Columns& a, View dw, View dbias) override {
    add_products(dy, a, dw);
    if (!dbias.data) return;
    for (int o = 0; o < dy.count; o++) {
      float sum = 0;
      for (int r = 0; r < dy.x.rows; r++) sum += get(dy.x, r, dy.first + o);
      data(dbias)[o] += sum;
    }
  }

  void product(View a, const Matrix& w, View y, const LowRank& added) override {
    for (int r = 0; r < a.rows; r++) {
      for (int i = 0; i < w.rows; i++) set(y, r, i, dot(a, r, packed(w).row(i)) + added_at(added, r, i));
    }
  }

  void swiglu_backward(View dy, const Matrix& w_t, View gate_up, View f, View dgate_up, const LowRank& added) override {
    for (int r = 0; r < f.rows; r++) {
      for (int i = 0; i < f.cols; i++) {
        const float gate = row_of(gate_up, r)[i], up = row_of(gate_up, r)[f.cols + i];
        const float d = dot(dy, r, packed(w_t).row(i)) + added_at(added, r, i);
        const float s = 1.0f / (1.0f + std::exp(-gate));
        set(f, r, i, gate * s * up);
        set(dgate_up, r, i, d * up * s * (1.0f + gate * (1.0f - s)));
        set(dgate_up, r, f.cols + i, d * gate * s);
      }
    }
  }

  void attention_backward(const PlacedPack& pack, View q, View k, View v, View out, View log_sums, View dout,
                          HeadShape shape, int window, View dqkv) override {
    fill_zero(dqkv);
    const ReferencePack& p = placed(pack);
    const int d = shape.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    for (int head = 0; head < shape.heads; head++) {
      const int kv_offset = head / (shape.heads / shape.kv_heads) * d;
      for (const Tree& tree : p.trees) {
        for (int r = tree.start; r < tree.end; r++) {
          const float *query = row_of(q, r) + head * d, *doutput = row_of(dout, r) + head * d;
          float* dquery = row_of(dqkv, r) + head * d;
          double d_out = 0;
          for (int i = 0; i < d; i++) d_out += double{doutput[i]} * get(out, r, head * d + i);
          for (const int c : seen_by(p, tree, r, window)) {
            const float *key = row_of(k, c) + kv_offset, *value = row_of(v, c) + kv_offset;
            float *dkey = row_of(dqkv, c) + q.cols + kv_offset, *dvalue = dkey + k.cols;
            double s = 0, dp = 0;
            for (int i = 0; i < d; i++) s += double{query[i]} * key[i];
            for (int i = 0; i < d; i++) dp += double{doutput[i]} * value[i];
            const auto weight = static_cast<float>(std::exp(s * scale - row_of(log_sums, r)[head]));
            const auto ds = static_cast<float>(weight * (dp - d_out) * scale);  // a difference of much larger numbers
            for (int i = 0; i < d; i++) {
              dquery[i] += ds * key[i];
              dkey[i] += ds * query[i];
              dvalue[i] += weight * doutput[i];
            }
          }
        }
      }
    }
  }

  void rope_backward(const PlacedPack& pack, const RopeTable& rope, HeadShape shape, View dqkv) override {
    const int half = shape.head_dim / 2;
    for (int t = 0; t < dqkv.rows; t++) {
      const float *cos = row_of(rope.cos, placed(pack).pos[t]), *sin = row_of(rope.sin, placed(pack).pos[t]);
      float* row = row_of(dqkv, t);
      for (int head = 0; head < shape.heads + shape.kv_heads; head++, row += shape.head_dim) {
        for (int i = 0; i < half; i++) {
          const float a = row[i], b = row[i + half];
          row[i] = a * cos[i] + b * sin[i];
          row[i + half] = b * cos[i] - a * sin[i];
        }
      }
    }
  }

  // ---- the optimizer ----

  double sum_squares(View x) override {
    double total = 0;
    for (size_t first = 0; first < size(x); first += kSquaresBlock) {
      double block = 0;
      for (size_t i = first; i < std::min(size(x), first + kSquaresBlock); i++)
        block += double{data(x)[i]} * data(x)[i];
      total += block;
    }
    return total;
  }

  void adamw(View w, View gradient, View m, View v, const AdamW& options) override {
    const AdamWFactors factors(options);
    for (size_t i = 0; i < size(w); i++) {
      const float g = factors.scale * data(gradient)[i];
      float &weight = data(w)[i], &mean = data(m)[i], &square = data(v)[i];
      mean += factors.mean * (g - mean);
      square = square * factors.square_kept + factors.square * g * g;
      weight = weight * factors.decay + factors.step_size * mean / (std::sqrt(square) / factors.root + factors.eps);
    }
  }

 private:
  static void add_row(View from, int from_row, View to, int to_row) {
    for (int i = 0; i < to.cols; i++) row_of(to, to_row)[i] += row_of(from, from_row)[i];
  }

  static void store(Matrix& matrix, int row, int col, float value) {
    auto& m = static_cast<ReferenceMatrix&>(matrix);
    m.values[static_cast<size_t>(row) * m.cols + col] = round_to(m.dtype, value);
  }

  // dw += dy^T a
  static void add_products(const Columns& dy, const Columns& a, View dw) {
    for (int o = 0; o < dw.rows; o++) {
      for (int i = 0; i < dw.cols; i++) {
        float sum = 0;
        for (int r = 0; r < dy.x.rows; r++) sum += get(dy.x, r, dy.first + o) * get(a.x, r, a.first + i);
        row_of(dw, o)[i] += sum;
      }
    }
  }

  // The rows of the pack that row r sees: of the prefix and its own branch the last `window` positions.
  static std::vector<int> seen_by(const ReferencePack& p, const Tree& tree, int r, int window) {
    std::vector<int> seen;
    for (int c = tree.start; c <= r; c++) {
      if (c >= p.branch_start[r] || c < tree.start + tree.prefix_len) seen.push_back(c);
    }
    const size_t hidden = seen.size() - std::min(seen.size(), static_cast<size_t>(window));
    seen.erase(seen.begin(), seen.begin() + static_cast<ptrdiff_t>(hidden));
    return seen;
  }
};

}  // namespace

std::unique_ptr<BackwardOps> make_backward_ops() { return std::make_unique<ReferenceBackward>(); }

}  // namespace mt::reference
