// The backend over a GPU: it holds the memory, and hands each op to its launcher.
#include "cuda_backend.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "../../base/error.h"
#include "context.h"
#include "cuda_backward.h"

namespace mt::MT_TARGET {
namespace {

// Bytes that attention's partial sums may take in packs within these limits.
size_t partial_bytes(const PackLimits& limits) {
  const HeadShape& shape = limits.shape;
  const size_t splits = (limits.positions + kSplit - 1) / kSplit;
  if (splits < 2) return 0;
  const size_t rows = static_cast<size_t>(limits.tokens) * (shape.heads / shape.kv_heads);
  const size_t tile = std::min<size_t>(rows, attention_block(shape.head_dim)) * splits;
  return std::min(rows * splits, std::max<size_t>(tile, max_slots(shape))) * partial_floats(shape) * sizeof(float);
}

// 32-bit words that head_score() keeps of each row, without the lists of top_k.
constexpr size_t kHeadRowWords = 6;

class CudaBuffer final : public Buffer {
 public:
  CudaBuffer(Device& device, size_t bytes) : memory_(device, bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(int ordinal, Tiling tiling, size_t head_bytes) : context_(ordinal, tiling, head_bytes) {}

  std::string name() const override { return "cuda " + device_.info().name; }

  // ---- memory ----

  std::unique_ptr<Buffer> allocate(size_t bytes) override { return std::make_unique<CudaBuffer>(device_, bytes); }
  size_t free_bytes() override { return device_.free_bytes(); }
  size_t scratch_bytes(const PackLimits& limits) const override {
    const size_t rows = limits.tokens;
    int64_t stride = 0;  // the widest row that multiply() pads, in elements
    for (const int cols : limits.widths) {
      const RowLayout layout(1, cols, MatrixKind::kPlain, limits.shape, limits.dtype);
      if (layout.stride != cols) stride = std::max(stride, layout.stride);
    }
    size_t head = 0;
    for (const size_t row : {limits.vocab * sizeof(float), head_partials_per_row(limits.vocab) * sizeof(HeadPartial)})
      head = std::max(head, std::min<size_t>(rows, context_.rows_at_once(row)) * row);
    return context_.padded.missing(rows * stride * dtype_size(limits.dtype)) +
           partials_.missing(partial_bytes(limits)) + context_.head.missing(head) +
           context_.head_rows.missing(rows * kHeadRowWords * sizeof(int32_t)) +
           packs_.missing(rows * pack_token_bytes(limits.windows.size()));
  }
  void upload(void* device, const void* host, size_t bytes) override { device_.upload(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { device_.download(host, device, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { device_.copy(to, from, bytes); }
  void wait() override { device_.wait(); }

  // ---- weights ----

  size_t matrix_bytes(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype) const override {
    if (shape.head_dim > kLargestHead)
      throw Error(ErrorCode::INVALID_ARGUMENT, "config: headDim is " + std::to_string(shape.head_dim) +
                                                   "; attention on a GPU takes at most " +
                                                   std::to_string(kLargestHead) + ", on the device cpu any");
    return RowLayout(rows, cols, kind, shape, dtype).bytes();
  }
  std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype,
                                        void* memory) override {
    return std::make_unique<DeviceMatrix>(device_, RowLayout(rows, cols, kind, shape, dtype), rows, cols, memory);
  }
  void write_rows(Matrix& matrix, int row, int count, const float* values) override {
    if (!weights_ring_) weights_ring_ = std::make_unique<UploadRing>(device_, 2, Lane::kCopy);
    static_cast<DeviceMatrix&>(matrix).write(row, count, values, *weights_ring_);
  }
  void finish_rows() override {
    if (weights_ring_) weights_ring_->wait();
    weights_ring_.reset();
  }
  DType activation_dtype(DType weights) const override { return weights; }

  BackwardOps* backward() override {
    if (!backward_) backward_ = make_backward_ops(context_);
    return backward_.get();
  }

  // ---- packs ----

  std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape, std::span<const int> windows) override {
    device_.set_op("placing a pack");
    return std::make_unique<CudaPack>(device_, packs_, context_.packs_ring, pack, shape, windows);
  }

  // ---- ops ----

  void embed(const PlacedPack& pack, const Matrix& table, View x) override {
    device_.set_op("embed");
    const RowLayout& layout = packed(table).layout();
    with_type(table.dtype, [&](auto t) {
      const auto* rows = static_cast<const decltype(t)*>(packed(table).data());
      MT_TARGET::embed(device_, rows, layout.stride, placed(pack).ids, pack.tokens, x.cols, floats(x));
    });
  }

  void rms_norm(View x, View w, float eps, View y) override {
    device_.set_op("rms_norm");
    with_type(y.dtype, [&](auto t) {
      MT_TARGET::rms_norm(device_, floats(x), floats(w), eps, x.rows, x.cols, static_cast<decltype(t)*>(y.data));
    });
  }

  void qkv(const PlacedPack& pack, View h, const Matrix& w, const QkvFinish& finish, HeadShape shape, View q, View k,
           View v, const LowRank& added) override {
    device_.set_op("qkv");
    const RopeArguments rope = {placed(pack).pos, floats(finish.rope.cos), floats(finish.rope.sin),
                                shape.heads,      shape.kv_heads,          shape.head_dim};
    const bool normed = finish.q_norm.data != nullptr;
    RopeArguments in_product = rope;
    if (normed) in_product.cos = in_product.sin = nullptr;
    if (added.b) {
      const float* products = context_.wide_product(h, w, finish.bias, added);
      split_qkv(device_, products, in_product, h.rows, floats(q), floats(k), floats(v));
    } else {
      context_.multiply(h, w, [&](const auto& g) {
        MT_TARGET::qkv(device_, g, floats(finish.bias), in_product, floats(q), floats(k), floats(v));
      });
    }
    if (normed && h.rows > 0)
      norm_heads(device_, floats(finish.q_norm), floats(finish.k_norm), finish.eps, rope, h.rows, floats(q), floats(k));
  }

  void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer, HeadShape shape,
                 int window, View out, View log_sums) override {
    device_.set_op("attention");
    const WindowPlan& p = placed(pack).plan_for(window);
    const size_t partials = p.plan.slots * partial_floats(shape);
    const AttentionArguments arguments = {p.tiles,
                                          p.merged,
                                          placed(pack).branch_start,
                                          floats(q),
                                          floats(k),
                                          floats(v),
                                          cache ? floats(cache->k[layer]) : nullptr,
                                          cache ? floats(cache->v[layer]) : nullptr,
                                          partials ? partials_.get<float>(device_, partials) : nullptr,
                                          floats(log_sums),
                                          shape,
                                          window};
    with_type(out.dtype,
              [&](auto t) { MT_TARGET::attention(device_, p.plan, arguments, static_cast<decltype(t)*>(out.data)); });
  }

  void append_kv(const PlacedPack& pack, View k, View v, const KvCache& cache, int layer) override {
    device_.set_op("append_kv");
    MT_TARGET::append_kv(device_, floats(k), floats(v), placed(pack).cache_rows, pack.tokens, k.cols,
                         floats(cache.k[layer]), floats(cache.v[layer]));
  }

  void linear_add(View a, const Matrix& w, View bias, View x, View y, const LowRank& added) override {
    device_.set_op("linear_add");
    if (y.data != x.data && a.rows > 0) device_.copy(y.data, x.data, int64_t{a.rows} * x.cols * sizeof(float));
    context_.multiply(a, w, [&](const auto& g) { MT_TARGET::linear_add(device_, g, floats(bias), floats(y)); });
    if (!added.b) return;
    context_.multiply(added.z, *added.b, [&](const auto& g) { MT_TARGET::linear_add(device_, g, nullptr, floats(y)); });
  }

  void swiglu(View h, const Matrix& w, View bias, View f, const LowRank& added, View gate_up) override {
    device_.set_op("swiglu");
    if (added.b || gate_up.data) {
      float* products = floats(gate_up);
      if (products)
        context_.product(h, w, products, bias, added);
      else
        products = context_.wide_product(h, w, bias, added);
      return with_trained_type(
          f.dtype, [&](auto t) { swiglu_rows(device_, products, f.rows, f.cols, static_cast<decltype(t)*>(f.data)); });
    }
    context_.multiply(h, w, [&](const auto& g) {
      using T = std::remove_cvref_t<decltype(*g.a)>;
      MT_TARGET::swiglu(device_, g, floats(bias), f.cols, static_cast<T*>(f.data));
    });
  }

  void gather_rows(const PlacedPack& pack, View x, View y) override {
    device_.set_op("gather_rows");
    const CudaPack& p = placed(pack);
    if (p.row_count > 0) MT_TARGET::gather_rows(device_, floats(x), p.rows, p.row_count, x.cols, floats(y));
  }

  void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                  const Control& control) override {
    if (h.rows == 0) return;
    device_.set_op("head_score");
    const size_t rows = h.rows, top = top_k > 1 ? rows * top_k : 0;
    // [rows] each: targets, target logits, then what comes back: log-probabilities, log-sums, best, argmax; [rows,
    // top_k] each: ids, log-probabilities.
    int32_t* target_ids = context_.head_rows.get<int32_t>(device_, kHeadRowWords * rows + 2 * top);
    float* target_logits = reinterpret_cast<float*>(target_ids + rows);
    const HeadRows out = {target_logits + rows, target_logits + 2 * rows, target_logits + 3 * rows,
                          target_ids + 5 * rows};
    context_.upload_rows(target_ids, targets);
    score_rows(h, w, target_ids, target_logits, out, control);
    int32_t* top_ids = target_ids + kHeadRowWords * rows;
    if (top > 0) best_of(h, w, top_k, out.log_sums, top_ids, reinterpret_cast<float*>(top_ids + top), control);
    const float* back = context_.fetch<float>(out.log_probs, 4 * rows + 2 * top);
    std::copy_n(back, rows, result.log_prob.begin());
    for (size_t r = 0; r < rows; r++) {
      result.argmax[r] = std::bit_cast<int32_t>(back[3 * rows + r]);
      if (top_k != 1) continue;
      result.top_ids[r] = result.argmax[r];
      result.top_log_prob[r] = back[2 * rows + r] - back[rows + r];
    }
    if (top == 0) return;
    std::memcpy(result.top_ids.data(), back + 4 * rows, top * sizeof(int32_t));
    std::copy_n(back + 4 * rows + top, top, result.top_log_prob.begin());
  }

  void head_sample(View h, const Matrix& w, std::span<const Draw> draws, const LogitChanges& changes,
                   std::span<int32_t> ids, std::span<float> log_prob, const Control& control) override {
    if (h.rows == 0) return;
    device_.set_op("head_sample");
    const auto& [adjustments, masks] = changes;
    const size_t rows = h.rows, count = adjustments.size();
    // [rows] draws; [count] each: adjustments, logits before them; masks; [rows] each what comes back: ids,
    // log-probabilities.
    const size_t bytes = rows * (sizeof(Draw) + sizeof(int32_t) + sizeof(float)) +
                         count * (sizeof(Adjustment) + sizeof(float)) + masks.size_bytes();
    auto* row_draws = reinterpret_cast<Draw*>(context_.head_rows.get<std::byte>(device_, bytes));
    auto* own_adjustments = reinterpret_cast<Adjustment*>(row_draws + rows);
    auto* before_adjustment = reinterpret_cast<float*>(own_adjustments + count);
    auto* own_masks = reinterpret_cast<uint32_t*>(before_adjustment + count);
    auto* id = reinterpret_cast<int32_t*>(own_masks + masks.size());
    auto* log_probs = reinterpret_cast<float*>(id + rows);
    context_.upload_rows(row_draws, draws);
    if (count > 0) context_.upload_rows(own_adjustments, adjustments);
    if (!masks.empty()) context_.upload_rows(own_masks, masks);
    const int part = context_.rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = h.part(first, std::min(part, h.rows - first));
      MT_TARGET::head_sample(device_, context_.some_logits(some, w), some.rows, w.rows, row_draws + first,
                             own_adjustments, before_adjustment, own_masks, id + first, log_probs + first);
    }
    const int32_t* back = context_.fetch<int32_t>(id, 2 * rows);
    std::copy_n(back, rows, ids.begin());
    std::memcpy(log_prob.data(), back + rows, rows * sizeof(float));
  }

  void head_logits(View h, const Matrix& w, float* logits, const Control& control) override {
    device_.set_op("head_logits");
    const int part = context_.rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = h.part(first, std::min(part, h.rows - first));
      const size_t count = static_cast<size_t>(some.rows) * w.rows;
      device_.download(logits + static_cast<size_t>(first) * w.rows, context_.some_logits(some, w),
                       count * sizeof(float));
    }
  }

 private:
  // Computes log_prob and the rest for each row from partials, so that no logits are stored. target_logits [rows] is
  // scratch memory.
  void score_rows(View h, const Matrix& w, const int32_t* targets, float* target_logits, const HeadRows& out,
                  const Control& control) {
    const size_t per_row = head_partials_per_row(w.rows);
    const int part = context_.rows_at_once(per_row * sizeof(HeadPartial));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = h.part(first, std::min(part, h.rows - first));
      HeadPartial* partials = context_.head.get<HeadPartial>(device_, some.rows * per_row);
      context_.multiply(some, w, [&](const auto& g) {
        MT_TARGET::head_partials(device_, g, targets + first, partials, target_logits + first);
      });
      head_finish(device_, partials, target_logits + first, some.rows, static_cast<int>(per_row),
                  {out.log_probs + first, out.log_sums + first, out.best + first, out.argmax + first});
    }
  }

  void best_of(View h, const Matrix& w, int top_k, const float* log_sums, int32_t* ids, float* log_probs,
               const Control& control) {
    const int part = context_.rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = h.part(first, std::min(part, h.rows - first));
      const size_t at = static_cast<size_t>(first) * top_k;
      head_top_k(device_, context_.some_logits(some, w), log_sums + first, some.rows, w.rows, top_k, ids + at,
                 log_probs + at);
    }
  }

  DeviceContext context_;
  Device& device_ = context_.device;
  std::unique_ptr<UploadRing> weights_ring_;  // null unless weights are being written
  MemoryPool packs_{device_};
  Scratch partials_;
  std::unique_ptr<BackwardOps> backward_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(int ordinal, Tiling tiling, size_t head_bytes) {
  return std::make_unique<CudaBackend>(ordinal, tiling, head_bytes);
}

}  // namespace mt::MT_TARGET
