// The backend over a GPU: it holds the memory, and hands each op to its launcher.
#include "cuda_backend.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "../../base/error.h"
#include "attention/attention.h"
#include "gemm/matrix.h"
#include "runtime/staging.h"

namespace mt::MT_TARGET {
namespace {

// Bytes that the partial sums of one step of attention may take (AttentionStep).
constexpr size_t kPartialBytes = 128u << 20;

int max_slots(HeadShape shape) { return static_cast<int>(kPartialBytes / sizeof(float) / partial_floats(shape)); }

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

// Bytes of a pack's arrays per token, if every token had an attention tile of its own for each of so many windows. Only
// tokens of long sequences have more.
constexpr size_t pack_token_bytes(size_t windows) {
  return 5 * sizeof(int32_t) + windows * (sizeof(AttentionTile) + sizeof(MergedTile));
}

class CudaBuffer final : public Buffer {
 public:
  CudaBuffer(Device& device, size_t bytes) : memory_(device, bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

// Arrays one after another in one piece of memory, each at a multiple of 16 bytes.
class Layout {
 public:
  template <class T>
  size_t add(std::span<const T> values) {
    const size_t at = bytes_;
    arrays_.push_back({std::as_bytes(values), at});
    bytes_ = (at + values.size_bytes() + 15) / 16 * 16;
    return at;
  }
  size_t bytes() const { return bytes_; }
  void write(std::byte* to) const {
    for (const auto& [values, at] : arrays_) std::copy(values.begin(), values.end(), to + at);
  }

 private:
  struct Array {
    std::span<const std::byte> values;
    size_t at;
  };
  std::vector<Array> arrays_;
  size_t bytes_ = 0;
};

// What attention with one window needs of a pack.
struct WindowPlan {
  int window;
  AttentionPlan plan;
  const AttentionTile* tiles;  // plan's, on the device
  const MergedTile* merged;
};

// A pack's arrays and its attention plans, in one piece of memory and one copy.
class CudaPack final : public PlacedPack {
 public:
  CudaPack(Device& device, MemoryPool& pool, UploadRing& ring, const Pack& pack, HeadShape shape,
           std::span<const int> windows)
      : row_count(static_cast<int>(pack.rows.size())), pool_(pool) {
    tokens = static_cast<int>(pack.ids.size());
    Layout layout;
    const size_t ids_at = layout.add(pack.ids), pos_at = layout.add(pack.pos),
                 branch_start_at = layout.add(pack.branch_start);
    const size_t rows_at = layout.add(pack.rows), cache_rows_at = layout.add(pack.cache_rows);
    std::vector<std::array<size_t, 2>> plans_at;
    for (const int window : windows) {
      plans_.push_back({window, plan_attention(pack, shape, window, max_slots(shape)), nullptr, nullptr});
      const AttentionPlan& plan = plans_.back().plan;  // its arrays stay where they are when plans_ grows
      plans_at.push_back({layout.add(std::span<const AttentionTile>(plan.tiles)),
                          layout.add(std::span<const MergedTile>(plan.merged))});
    }
    memory_ = pool.take(layout.bytes());
    std::byte* piece = ring.next(layout.bytes());
    layout.write(piece);
    device.queue_upload(memory_->data(), 0, piece, layout.bytes(), 1, Lane::kCompute);
    ring.queued();
    const auto* base = static_cast<const std::byte*>(memory_->data());
    ids = reinterpret_cast<const int32_t*>(base + ids_at);
    pos = reinterpret_cast<const int32_t*>(base + pos_at);
    branch_start = reinterpret_cast<const int32_t*>(base + branch_start_at);
    rows = reinterpret_cast<const int32_t*>(base + rows_at);
    cache_rows = reinterpret_cast<const int32_t*>(base + cache_rows_at);
    for (size_t i = 0; i < plans_.size(); i++) {
      plans_[i].tiles = reinterpret_cast<const AttentionTile*>(base + plans_at[i][0]);
      plans_[i].merged = reinterpret_cast<const MergedTile*>(base + plans_at[i][1]);
    }
  }
  ~CudaPack() override { pool_.give(std::move(memory_)); }

  const WindowPlan& plan_for(int window) const {
    for (const WindowPlan& plan : plans_)
      if (plan.window == window) return plan;
    throw Error(ErrorCode::INTERNAL, "attention: place() was not told of a window of " + std::to_string(window));
  }

  int row_count;
  const int32_t *ids, *pos, *branch_start, *rows, *cache_rows;

 private:
  std::vector<WindowPlan> plans_;
  MemoryPool& pool_;
  std::unique_ptr<DeviceMemory> memory_;
};

const CudaPack& placed(const PlacedPack& pack) { return static_cast<const CudaPack&>(pack); }
const DeviceMatrix& packed(const Matrix& matrix) { return static_cast<const DeviceMatrix&>(matrix); }
float* floats(View x) { return static_cast<float*>(x.data); }

// Calls body(T{}), T being the type of the dtype.
template <class Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kFloat32:
      return body(float{});
    case DType::kBFloat16:
      return body(bf16{});
    case DType::kFloat16:
      return body(f16{});
  }
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(int ordinal, Tiling tiling, size_t head_bytes)
      : device_(ordinal), tiling_(tiling), head_bytes_(head_bytes) {}

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
      head = std::max(head, std::min<size_t>(rows, rows_at_once(row)) * row);
    return padded_.missing(rows * stride * dtype_size(limits.dtype)) + partials_.missing(partial_bytes(limits)) +
           head_.missing(head) + head_rows_.missing(rows * kHeadRowWords * sizeof(int32_t)) +
           packs_.missing(rows * pack_token_bytes(limits.windows.size()));
  }
  void upload(void* device, const void* host, size_t bytes) override { device_.upload(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { device_.download(host, device, bytes); }
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

  // ---- packs ----

  std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape, std::span<const int> windows) override {
    device_.set_op("placing a pack");
    return std::make_unique<CudaPack>(device_, packs_, packs_ring_, pack, shape, windows);
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
           View v) override {
    device_.set_op("qkv");
    const RopeArguments rope = {placed(pack).pos, floats(finish.rope.cos), floats(finish.rope.sin),
                                shape.heads,      shape.kv_heads,          shape.head_dim};
    const bool normed = finish.q_norm.data != nullptr;
    RopeArguments in_product = rope;
    if (normed) in_product.cos = in_product.sin = nullptr;
    multiply(h, w, [&](const auto& g) {
      MT_TARGET::qkv(device_, g, floats(finish.bias), in_product, floats(q), floats(k), floats(v));
    });
    if (normed && h.rows > 0)
      norm_heads(device_, floats(finish.q_norm), floats(finish.k_norm), finish.eps, rope, h.rows, floats(q), floats(k));
  }

  void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer, HeadShape shape,
                 int window, View out, View) override {
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

  void linear_add(View a, const Matrix& w, View bias, View x) override {
    device_.set_op("linear_add");
    multiply(a, w, [&](const auto& g) { MT_TARGET::linear_add(device_, g, floats(bias), floats(x)); });
  }

  void swiglu(View h, const Matrix& w, View bias, View f, View, View) override {
    device_.set_op("swiglu");
    multiply(h, w, [&](const auto& g) {
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
    int32_t* target_ids = head_rows_.get<int32_t>(device_, kHeadRowWords * rows + 2 * top);
    float* target_logits = reinterpret_cast<float*>(target_ids + rows);
    const HeadRows out = {target_logits + rows, target_logits + 2 * rows, target_logits + 3 * rows,
                          target_ids + 5 * rows};
    upload_rows(target_ids, targets);
    score_rows(h, w, target_ids, target_logits, out, control);
    int32_t* top_ids = target_ids + kHeadRowWords * rows;
    if (top > 0) best_of(h, w, top_k, out.log_sums, top_ids, reinterpret_cast<float*>(top_ids + top), control);
    const float* back = fetch<float>(out.log_probs, 4 * rows + 2 * top);
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

  void head_sample(View h, const Matrix& w, const Sampling& sampling, std::span<const uint64_t> random,
                   std::span<int32_t> ids, std::span<float> log_prob, const Control& control) override {
    if (h.rows == 0) return;
    device_.set_op("head_sample");
    const size_t rows = h.rows;
    // [rows] each: random bits, then what comes back: ids, log-probabilities.
    auto* bits = head_rows_.get<uint64_t>(device_, 2 * rows);
    auto* id = reinterpret_cast<int32_t*>(bits + rows);
    auto* log_probs = reinterpret_cast<float*>(id + rows);
    upload_rows(bits, random);
    const int part = rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = rows_of(h, first, part);
      MT_TARGET::head_sample(device_, some_logits(some, w), some.rows, w.rows, sampling, bits + first, id + first,
                             log_probs + first);
    }
    const int32_t* back = fetch<int32_t>(id, 2 * rows);
    std::copy_n(back, rows, ids.begin());
    std::memcpy(log_prob.data(), back + rows, rows * sizeof(float));
  }

  void head_logits(View h, const Matrix& w, float* logits, const Control& control) override {
    device_.set_op("head_logits");
    const int part = rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = rows_of(h, first, part);
      const size_t count = static_cast<size_t>(some.rows) * w.rows;
      device_.download(logits + static_cast<size_t>(first) * w.rows, some_logits(some, w), count * sizeof(float));
    }
  }

 private:
  int rows_at_once(size_t bytes_per_row) const { return std::max(16, static_cast<int>(head_bytes_ / bytes_per_row)); }
  static View rows_of(View x, int first, int count) {
    const size_t offset = static_cast<size_t>(first) * x.cols * dtype_size(x.dtype);
    return {static_cast<std::byte*>(x.data) + offset, std::min(count, x.rows - first), x.cols, x.dtype};
  }

  // Calls body(operands), the operands being those of the product of the rows of `a` with w.
  template <class Body>
  void multiply(View a, const Matrix& w, const Body& body) {
    if (a.rows == 0) return;
    const RowLayout& layout = packed(w).layout();
    with_type(w.dtype, [&](auto t) {
      using T = decltype(t);
      const T* rows = static_cast<const T*>(a.data);
      if (layout.stride != a.cols || !is_aligned(rows, 16)) {
        T* padded = padded_.get<T>(device_, a.rows * layout.stride);
        pad_rows(device_, rows, a.rows, a.cols, layout.stride, padded);
        rows = padded;
      }
      const T* weights = static_cast<const T*>(packed(w).data());
      body(GemmOperands<T>{rows, weights, a.rows, layout.packed_rows, a.cols, layout.stride, tiling_});
    });
  }

  // Computes the logits of a few rows in scratch memory, which the next call overwrites.
  float* some_logits(View h, const Matrix& w) {
    float* logits = head_.get<float>(device_, static_cast<size_t>(h.rows) * w.rows);
    multiply(h, w, [&](const auto& g) { MT_TARGET::head_logits(device_, g, logits); });
    return logits;
  }

  // Computes log_prob and the rest for each row from partials, so that no logits are stored. target_logits [rows] is
  // scratch memory.
  void score_rows(View h, const Matrix& w, const int32_t* targets, float* target_logits, const HeadRows& out,
                  const Control& control) {
    const size_t per_row = head_partials_per_row(w.rows);
    const int part = rows_at_once(per_row * sizeof(HeadPartial));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = rows_of(h, first, part);
      HeadPartial* partials = head_.get<HeadPartial>(device_, some.rows * per_row);
      multiply(some, w, [&](const auto& g) {
        MT_TARGET::head_partials(device_, g, targets + first, partials, target_logits + first);
      });
      head_finish(device_, partials, target_logits + first, some.rows, static_cast<int>(per_row),
                  {out.log_probs + first, out.log_sums + first, out.best + first, out.argmax + first});
    }
  }

  void best_of(View h, const Matrix& w, int top_k, const float* log_sums, int32_t* ids, float* log_probs,
               const Control& control) {
    const int part = rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      control.poll();
      const View some = rows_of(h, first, part);
      const size_t at = static_cast<size_t>(first) * top_k;
      head_top_k(device_, some_logits(some, w), log_sums + first, some.rows, w.rows, top_k, ids + at, log_probs + at);
    }
  }

  template <class T>
  void upload_rows(T* to, std::span<const T> values) {
    std::byte* piece = packs_ring_.next(values.size_bytes());
    std::memcpy(piece, values.data(), values.size_bytes());
    device_.queue_upload(to, 0, piece, values.size_bytes(), 1, Lane::kCompute);
    packs_ring_.queued();
  }

  // Returns `count` values of the device once all ops are done. They stay until the next call.
  template <class T>
  const T* fetch(const void* device, size_t count) {
    std::byte* back = back_.get(count * sizeof(T));
    device_.queue_download(back, device, count * sizeof(T));
    device_.wait();
    return reinterpret_cast<const T*>(back);
  }

  Device device_;
  Tiling tiling_;
  size_t head_bytes_;
  std::unique_ptr<UploadRing> weights_ring_;  // null unless weights are being written
  // A pack takes two pieces, and there are two packs: the host prepares one while the other may still be copied.
  UploadRing packs_ring_{device_, 4, Lane::kCompute};
  MemoryPool packs_{device_};
  PinnedMemory back_{device_};
  Scratch padded_, partials_, head_, head_rows_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(int ordinal, Tiling tiling, size_t head_bytes) {
  return std::make_unique<CudaBackend>(ordinal, tiling, head_bytes);
}

}  // namespace mt::MT_TARGET
