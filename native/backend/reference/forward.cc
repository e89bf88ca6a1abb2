// Every op in plain scalar code on one thread. This is the definition that the other backends are compared with.
// Numbers are float32; products sum in float64.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "../../base/error.h"
#include "reference.h"

namespace mt::reference {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

// ---- memory ----

class HostBuffer final : public Buffer {
 public:
  explicit HostBuffer(size_t bytes) : bytes_(bytes) {
    data_ = operator new(bytes, kAlignment, std::nothrow);
    if (!data_) throw Error(ErrorCode::OUT_OF_MEMORY, "no memory for " + std::to_string(bytes) + " bytes");
  }
  ~HostBuffer() override { operator delete(data_, kAlignment); }
  void* data() override { return data_; }
  size_t bytes() const override { return bytes_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  void* data_;
  size_t bytes_;
};

// Turns each pair (a, b) = (v[i], v[i + d/2]) of each head of v into (a cos - b sin, b cos + a sin).
void rotate(float* v, int heads, int head_dim, const float* cos, const float* sin) {
  const int half = head_dim / 2;
  for (int head = 0; head < heads; head++, v += head_dim) {
    for (int i = 0; i < half; i++) {
      const float a = v[i], b = v[i + half];
      v[i] = a * cos[i] - b * sin[i];
      v[i + half] = b * cos[i] + a * sin[i];
    }
  }
}

// Normalises each head of v: x / sqrt(mean(x^2) + eps) * w.
void normalise(float* v, int heads, int head_dim, View w, float eps) {
  for (int head = 0; head < heads; head++, v += head_dim) {
    float squares = 0;
    for (int i = 0; i < head_dim; i++) squares += v[i] * v[i];
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(head_dim) + eps);
    for (int i = 0; i < head_dim; i++) v[i] *= scale * static_cast<const float*>(w.data)[i];
  }
}

class ReferenceBackend final : public Backend {
 public:
  std::string name() const override { return "reference"; }

  std::unique_ptr<Buffer> allocate(size_t bytes) override { return std::make_unique<HostBuffer>(bytes); }
  void upload(void* device, const void* host, size_t bytes) override { std::memcpy(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { std::memcpy(host, device, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  // ---- weights ----

  size_t matrix_bytes(int rows, int cols, MatrixKind, HeadShape, DType) const override {
    return static_cast<size_t>(rows) * cols * sizeof(float);
  }

  std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape, DType dtype,
                                        void* memory) override {
    auto matrix = std::make_unique<ReferenceMatrix>();
    matrix->rows = rows;
    matrix->cols = cols;
    matrix->dtype = dtype;
    matrix->kind = kind;
    matrix->values = static_cast<float*>(memory);
    return matrix;
  }

  void write_rows(Matrix& matrix, int row, int count, const float* values) override {
    auto& m = static_cast<ReferenceMatrix&>(matrix);
    float* to = m.values + static_cast<size_t>(row) * m.cols;
    for (size_t i = 0; i < static_cast<size_t>(count) * m.cols; i++) to[i] = round_to(m.dtype, values[i]);
  }

  DType activation_dtype(DType weights) const override {
    return weights == DType::kBFloat16 ? DType::kBFloat16 : DType::kFloat32;
  }

  BackwardOps* backward() override { return backward_.get(); }

  // ---- packs ----

  std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape, std::span<const int>) override {
    auto p = std::make_unique<ReferencePack>();
    p->tokens = static_cast<int>(pack.ids.size());
    p->ids.assign(pack.ids.begin(), pack.ids.end());
    p->pos.assign(pack.pos.begin(), pack.pos.end());
    p->branch_start.assign(pack.branch_start.begin(), pack.branch_start.end());
    p->trees.assign(pack.trees.begin(), pack.trees.end());
    p->rows.assign(pack.rows.begin(), pack.rows.end());
    p->cache_rows.assign(pack.cache_rows.begin(), pack.cache_rows.end());
    return p;
  }

  // ---- ops ----

  void embed(const PlacedPack& pack, const Matrix& table, View x) override {
    const ReferencePack& p = placed(pack);
    for (int t = 0; t < p.tokens; t++) std::copy_n(packed(table).row(p.ids[t]), x.cols, row_of(x, t));
  }

  void rms_norm(View x, View w, float eps, View y) override {
    for (int r = 0; r < x.rows; r++) {
      const float* in = row_of(x, r);
      float squares = 0;
      for (int i = 0; i < x.cols; i++) squares += in[i] * in[i];
      const float scale = 1.0f / std::sqrt(squares / static_cast<float>(x.cols) + eps);
      for (int i = 0; i < x.cols; i++) set(y, r, i, in[i] * scale * static_cast<const float*>(w.data)[i]);
    }
  }

  void qkv(const PlacedPack& pack, View h, const Matrix& w, const QkvFinish& finish, HeadShape shape, View q, View k,
           View v, const LowRank& added) override {
    const ReferencePack& p = placed(pack);
    for (int t = 0; t < p.tokens; t++) {
      const auto project = [&](int first_row, View out) {
        for (int i = 0; i < out.cols; i++) {
          row_of(out, t)[i] = dot(h, t, packed(w).row(first_row + i)) + bias_at(finish.bias, first_row + i) +
                              added_at(added, t, first_row + i);
        }
      };
      project(0, q);
      project(q.cols, k);
      project(q.cols + k.cols, v);
      if (finish.q_norm.data) {
        normalise(row_of(q, t), shape.heads, shape.head_dim, finish.q_norm, finish.eps);
        normalise(row_of(k, t), shape.kv_heads, shape.head_dim, finish.k_norm, finish.eps);
      }
      const float* cos = row_of(finish.rope.cos, p.pos[t]);
      const float* sin = row_of(finish.rope.sin, p.pos[t]);
      rotate(row_of(q, t), shape.heads, shape.head_dim, cos, sin);
      rotate(row_of(k, t), shape.kv_heads, shape.head_dim, cos, sin);
    }
  }

  void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer, HeadShape shape,
                 int window, View out, View log_sums) override {
    const int d = shape.head_dim;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    std::vector<const float*> keys, values;  // the rows of the cache and the pack that the query sees, by position
    std::vector<float> scores, sum(d);
    const ReferencePack& p = placed(pack);
    for (const Tree& tree : p.trees) {
      for (int r = tree.start; r < tree.end; r++) {
        keys.clear();
        values.clear();
        for (int i = 0; i < tree.segment_len; i++) {
          keys.push_back(row_of(cache->k[layer], tree.segment_row + i));
          values.push_back(row_of(cache->v[layer], tree.segment_row + i));
        }
        for (int c = tree.start; c <= r; c++) {
          if (c < p.branch_start[r] && c >= tree.start + tree.prefix_len) continue;
          keys.push_back(row_of(k, c));
          values.push_back(row_of(v, c));
        }
        const size_t hidden = keys.size() - std::min(keys.size(), static_cast<size_t>(window));
        keys.erase(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(hidden));
        values.erase(values.begin(), values.begin() + static_cast<ptrdiff_t>(hidden));
        scores.resize(keys.size());
        for (int head = 0; head < shape.heads; head++) {
          const float* query = row_of(q, r) + head * d;
          const int kv_offset = head / (shape.heads / shape.kv_heads) * d;
          float largest = kLowest;
          for (size_t j = 0; j < keys.size(); j++) {
            float s = 0;
            for (int i = 0; i < d; i++) s += query[i] * keys[j][kv_offset + i];
            scores[j] = s * scale;
            largest = std::max(largest, scores[j]);
          }
          float total = 0;
          std::fill(sum.begin(), sum.end(), 0.0f);
          for (size_t j = 0; j < keys.size(); j++) {
            const float weight = std::exp(scores[j] - largest);
            total += weight;
            for (int i = 0; i < d; i++) sum[i] += weight * values[j][kv_offset + i];
          }
          for (int i = 0; i < d; i++) set(out, r, head * d + i, sum[i] / total);
          if (log_sums.data) row_of(log_sums, r)[head] = largest + std::log(total);
        }
      }
    }
  }

  void append_kv(const PlacedPack& pack, View k, View v, const KvCache& cache, int layer) override {
    const ReferencePack& p = placed(pack);
    for (int t = 0; t < p.tokens; t++) {
      std::copy_n(row_of(k, t), k.cols, row_of(cache.k[layer], p.cache_rows[t]));
      std::copy_n(row_of(v, t), v.cols, row_of(cache.v[layer], p.cache_rows[t]));
    }
  }

  void linear_add(View a, const Matrix& w, View bias, View x, View y, const LowRank& added) override {
    for (int r = 0; r < a.rows; r++) {
      for (int i = 0; i < w.rows; i++)
        row_of(y, r)[i] = row_of(x, r)[i] + (dot(a, r, packed(w).row(i)) + bias_at(bias, i) + added_at(added, r, i));
    }
  }

  void swiglu(View h, const Matrix& w, View bias, View f, const LowRank& added, View gate_up) override {
    for (int r = 0; r < h.rows; r++) {
      for (int i = 0; i < f.cols; i++) {
        const float gate = dot(h, r, packed(w).row(i)) + bias_at(bias, i) + added_at(added, r, i);
        const float up =
            dot(h, r, packed(w).row(f.cols + i)) + bias_at(bias, f.cols + i) + added_at(added, r, f.cols + i);
        if (gate_up.data) {
          row_of(gate_up, r)[i] = gate;
          row_of(gate_up, r)[f.cols + i] = up;
        }
        const float silu = gate / (1.0f + std::exp(-gate));
        set(f, r, i, silu * up);
      }
    }
  }

  void gather_rows(const PlacedPack& pack, View x, View y) override {
    const std::vector<int32_t>& rows = placed(pack).rows;
    for (size_t i = 0; i < rows.size(); i++) std::copy_n(row_of(x, rows[i]), x.cols, row_of(y, static_cast<int>(i)));
  }

  void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                  const Control& control) override {
    std::vector<float> logits(w.rows);
    std::vector<int32_t> order;
    order.reserve(w.rows);
    for (int r = 0; r < h.rows; r++) {
      row_logits(h, r, w, logits.data(), control);
      const auto best = std::max_element(logits.begin(), logits.end());
      double total = 0;  // in float32 a large vocabulary's tail would be lost below the sum's last place
      for (const float logit : logits) total += std::exp(logit - *best);
      const float log_sum = *best + static_cast<float>(std::log(total));
      result.log_prob[r] = logits[targets[r]] - log_sum;
      result.argmax[r] = static_cast<int32_t>(best - logits.begin());
      order.clear();
      for (int i = 0; i < w.rows; i++)
        if (!std::isnan(logits[i])) order.push_back(i);
      const size_t count = std::min<size_t>(top_k, order.size());
      std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                        [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
      for (size_t i = 0; i < static_cast<size_t>(top_k); i++) {
        result.top_ids[static_cast<size_t>(r) * top_k + i] = i < count ? order[i] : 0;
        result.top_log_prob[static_cast<size_t>(r) * top_k + i] = (i < count ? logits[order[i]] : kLowest) - log_sum;
      }
    }
  }

  void head_sample(View h, const Matrix& w, std::span<const Draw> draws, const LogitChanges& changes,
                   std::span<int32_t> ids, std::span<float> log_prob, const Control& control) override {
    std::vector<float> logits(w.rows);
    std::vector<TokenWeight> scratch(w.rows);
    for (int r = 0; r < h.rows; r++) {
      row_logits(h, r, w, logits.data(), control);
      const Choice choice = choose_token(logits, draws[r], changes, scratch);
      ids[r] = choice.id;
      log_prob[r] = choice.log_prob;
    }
  }

  void head_logits(View h, const Matrix& w, float* logits, const Control& control) override {
    for (int r = 0; r < h.rows; r++) row_logits(h, r, w, logits + static_cast<size_t>(r) * w.rows, control);
  }

 private:
  static void row_logits(View h, int row, const Matrix& w, float* logits, const Control& control) {
    control.poll();
    for (int i = 0; i < w.rows; i++) logits[i] = dot(h, row, packed(w).row(i));
  }

  const std::unique_ptr<BackwardOps> backward_ = make_backward_ops();
};

}  // namespace
}  // namespace mt::reference

namespace mt {

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<reference::ReferenceBackend>(); }

}  // namespace mt
