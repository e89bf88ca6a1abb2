// The ops of the forward pass on a GPU: memory, and which launcher gets what.
#include "cuda_backend.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "../../base/error.h"
#include "attention.h"
#include "matrix.h"

namespace mt::MT_TARGET {
namespace {

// The head goes through its rows in parts whose partials, or logits, take at most this.
constexpr size_t kHeadBytes = 64u << 20;
// Attention over long sequences goes in steps whose partial sums take at most this.
constexpr size_t kPartialBytes = 128u << 20;

class CudaBuffer final : public Buffer {
 public:
  CudaBuffer(Device& device, size_t bytes) : memory_(device, bytes) {}
  void* data() override { return memory_.data(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

// Memory for one purpose, which grows. What is queued on the stream is done with it before it is written again.
class Scratch {
 public:
  template <class T>
  T* get(Device& device, size_t count) {
    const size_t bytes = std::max<size_t>(256, count * sizeof(T));
    if (!memory_ || memory_->bytes() < bytes) {
      memory_.reset();
      memory_ = std::make_unique<DeviceMemory>(device, bytes);
    }
    return static_cast<T*>(memory_->data());
  }

 private:
  std::unique_ptr<DeviceMemory> memory_;
};

// Bytes of arrays one after another, each at a multiple of 16.
class Layout {
 public:
  template <class T>
  size_t add(std::span<const T> values) {
    const size_t at = bytes.size();
    const auto added = std::as_bytes(values);
    bytes.insert(bytes.end(), added.begin(), added.end());
    while (bytes.size() % 16 != 0) bytes.push_back({});
    return at;
  }
  std::vector<std::byte> bytes;
};

// A pack's arrays and its attention plan, in one piece of memory.
class CudaPack final : public PlacedPack {
 public:
  CudaPack(Device& device, const Pack& pack, HeadShape shape)
      : plan(plan_attention(pack, shape, static_cast<int>(kPartialBytes / sizeof(float) / partial_floats(shape)))) {
    tokens = static_cast<int>(pack.ids.size());
    Layout layout;
    const size_t ids_at = layout.add(pack.ids), pos_at = layout.add(pack.pos), lo_at = layout.add(pack.lo);
    const size_t tiles_at = layout.add(std::span<const AttentionTile>(plan.tiles));
    const size_t merged_at = layout.add(std::span<const MergedTile>(plan.merged));
    memory_ = std::make_unique<DeviceMemory>(device, layout.bytes.size());
    device.upload(memory_->data(), layout.bytes.data(), layout.bytes.size());
    const auto* base = static_cast<const std::byte*>(memory_->data());
    ids = reinterpret_cast<const int32_t*>(base + ids_at);
    pos = reinterpret_cast<const int32_t*>(base + pos_at);
    lo = reinterpret_cast<const int32_t*>(base + lo_at);
    tiles = reinterpret_cast<const AttentionTile*>(base + tiles_at);
    merged = reinterpret_cast<const MergedTile*>(base + merged_at);
  }

  AttentionPlan plan;
  const int32_t *ids, *pos, *lo;
  const AttentionTile* tiles;
  const MergedTile* merged;

 private:
  std::unique_ptr<DeviceMemory> memory_;
};

const CudaPack& placed(const PlacedPack& pack) { return static_cast<const CudaPack&>(pack); }
const DeviceMatrix& packed(const Matrix& matrix) { return static_cast<const DeviceMatrix&>(matrix); }
float* floats(View x) { return static_cast<float*>(x.data); }

// body(T{}) with the type of the dtype.
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
  CudaBackend(int ordinal, Tiling tiling) : device_(ordinal), tiling_(tiling) {}

  std::string name() const override { return "cuda " + device_.info().name; }

  // ---- memory ----

  std::unique_ptr<Buffer> allocate(size_t bytes) override { return std::make_unique<CudaBuffer>(device_, bytes); }
  void upload(void* device, const void* host, size_t bytes) override { device_.upload(device, host, bytes); }
  void download(void* host, const void* device, size_t bytes) override { device_.download(host, device, bytes); }
  void wait() override { device_.wait(); }

  // ---- weights ----

  size_t matrix_bytes(int rows, int cols, MatrixKind kind, DType dtype) const override {
    return RowLayout(rows, cols, kind, {}, dtype).bytes();
  }
  std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype) override {
    return std::make_unique<DeviceMatrix>(device_, rows, cols, kind, shape, dtype);
  }
  void write_rows(Matrix& matrix, int row, int count, const float* values) override {
    static_cast<DeviceMatrix&>(matrix).write(row, count, values);
  }
  DType activation_dtype(DType weights) const override { return weights; }

  // ---- packs ----

  std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape) override {
    return std::make_unique<CudaPack>(device_, pack, shape);
  }

  // ---- ops ----

  void embed(const PlacedPack& pack, const Matrix& table, View x) override {
    const RowLayout& layout = packed(table).layout();
    with_type(table.dtype, [&](auto t) {
      const auto* rows = static_cast<const decltype(t)*>(packed(table).data());
      MT_TARGET::embed(device_, rows, layout.stride, placed(pack).ids, pack.tokens, x.cols, floats(x));
    });
  }

  void rms_norm(View x, View w, float eps, View y) override {
    with_type(y.dtype, [&](auto t) {
      MT_TARGET::rms_norm(device_, floats(x), floats(w), eps, x.rows, x.cols, static_cast<decltype(t)*>(y.data));
    });
  }

  void qkv(const PlacedPack& pack, View h, const Matrix& w, View bias, const RopeTable& rope, HeadShape shape, View q,
           View k, View v) override {
    const RopeArguments arguments = {placed(pack).pos, floats(rope.cos), floats(rope.sin),
                                     shape.heads,      shape.kv_heads,   shape.head_dim};
    multiply(h, w, [&](const auto& g) {
      MT_TARGET::qkv(device_, g, floats(bias), arguments, floats(q), floats(k), floats(v));
    });
  }

  void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer, HeadShape shape,
                 View out) override {
    const CudaPack& p = placed(pack);
    const size_t partials = p.plan.slots * partial_floats(shape);
    const AttentionArguments arguments = {p.tiles,
                                          p.merged,
                                          p.lo,
                                          floats(q),
                                          floats(k),
                                          floats(v),
                                          cache ? floats(cache->k[layer]) : nullptr,
                                          cache ? floats(cache->v[layer]) : nullptr,
                                          partials ? partials_.get<float>(device_, partials) : nullptr,
                                          shape};
    with_type(out.dtype,
              [&](auto t) { MT_TARGET::attention(device_, p.plan, arguments, static_cast<decltype(t)*>(out.data)); });
  }

  void append_kv(View k, View v, std::span<const int32_t> rows, std::span<const int32_t> cache_rows,
                 const KvCache& cache, int layer) override {
    const int count = static_cast<int>(rows.size());
    if (count == 0) return;
    int32_t* lists = lists_.get<int32_t>(device_, 2 * rows.size());
    device_.upload(lists, rows.data(), rows.size_bytes());
    device_.upload(lists + count, cache_rows.data(), cache_rows.size_bytes());
    MT_TARGET::append_kv(device_, floats(k), floats(v), lists, lists + count, count, k.cols, floats(cache.k[layer]),
                         floats(cache.v[layer]));
  }

  void linear_add(View a, const Matrix& w, View bias, View x) override {
    multiply(a, w, [&](const auto& g) { MT_TARGET::linear_add(device_, g, floats(bias), floats(x)); });
  }

  void swiglu(View h, const Matrix& w, View bias, View f) override {
    multiply(h, w, [&](const auto& g) {
      using T = std::remove_cvref_t<decltype(*g.a)>;
      MT_TARGET::swiglu(device_, g, floats(bias), f.cols, static_cast<T*>(f.data));
    });
  }

  void gather_rows(View x, std::span<const int32_t> rows, View y) override {
    if (rows.empty()) return;
    int32_t* list = lists_.get<int32_t>(device_, rows.size());
    device_.upload(list, rows.data(), rows.size_bytes());
    MT_TARGET::gather_rows(device_, floats(x), list, static_cast<int>(rows.size()), x.cols, floats(y));
  }

  void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result) override {
    if (h.rows == 0) return;
    const size_t rows = h.rows, per_row = head_partials_per_row(w.rows);
    // [rows] each: targets, target logits, then what comes back: log-probabilities, log-sums, best, argmax.
    int32_t* target_ids = head_rows_.get<int32_t>(device_, 6 * rows);
    float* target_logits = reinterpret_cast<float*>(target_ids + rows);
    const HeadRows out = {target_logits + rows, target_logits + 2 * rows, target_logits + 3 * rows,
                          target_ids + 5 * rows};
    device_.upload(target_ids, targets.data(), targets.size_bytes());
    const int part = rows_at_once(per_row * sizeof(HeadPartial));
    for (int first = 0; first < h.rows; first += part) {
      const View some = rows_of(h, first, part);
      HeadPartial* partials = head_.get<HeadPartial>(device_, some.rows * per_row);
      multiply(some, w, [&](const auto& g) {
        MT_TARGET::head_partials(device_, g, target_ids + first, partials, target_logits + first);
      });
      head_finish(device_, partials, target_logits + first, some.rows, static_cast<int>(per_row),
                  {out.log_probs + first, out.log_sums + first, out.best + first, out.argmax + first});
    }
    if (top_k > 1) best_of(h, w, top_k, out.log_sums, result);
    std::vector<float> back(4 * rows);
    device_.download(back.data(), out.log_probs, back.size() * sizeof(float));
    std::copy_n(back.begin(), rows, result.log_prob.begin());
    for (size_t r = 0; r < rows; r++) {
      result.argmax[r] = std::bit_cast<int32_t>(back[3 * rows + r]);
      if (top_k != 1) continue;
      result.top_ids[r] = result.argmax[r];
      result.top_log_prob[r] = back[2 * rows + r] - back[rows + r];
    }
  }

  void head_logits(View h, const Matrix& w, float* logits) override {
    const int part = rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      const View some = rows_of(h, first, part);
      const size_t count = static_cast<size_t>(some.rows) * w.rows;
      device_.download(logits + static_cast<size_t>(first) * w.rows, some_logits(some, w), count * sizeof(float));
    }
  }

 private:
  static int rows_at_once(size_t bytes_per_row) { return std::max(16, static_cast<int>(kHeadBytes / bytes_per_row)); }
  static View rows_of(View x, int first, int count) {
    const size_t offset = static_cast<size_t>(first) * x.cols * dtype_size(x.dtype);
    return {static_cast<std::byte*>(x.data) + offset, std::min(count, x.rows - first), x.cols, x.dtype};
  }

  // body(operands) for the product of the rows of `a` with w.
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

  // Logits of a few rows, in scratch memory.
  float* some_logits(View h, const Matrix& w) {
    float* logits = head_.get<float>(device_, static_cast<size_t>(h.rows) * w.rows);
    multiply(h, w, [&](const auto& g) { MT_TARGET::head_logits(device_, g, logits); });
    return logits;
  }

  void best_of(View h, const Matrix& w, int top_k, const float* log_sums, HeadResult result) {
    const size_t count = static_cast<size_t>(h.rows) * top_k;
    int32_t* ids = best_.get<int32_t>(device_, 2 * count);
    float* log_probs = reinterpret_cast<float*>(ids + count);
    const int part = rows_at_once(w.rows * sizeof(float));
    for (int first = 0; first < h.rows; first += part) {
      const View some = rows_of(h, first, part);
      const size_t at = static_cast<size_t>(first) * top_k;
      head_top_k(device_, some_logits(some, w), log_sums + first, some.rows, w.rows, top_k, ids + at, log_probs + at);
    }
    device_.download(result.top_ids.data(), ids, count * sizeof(int32_t));
    device_.download(result.top_log_prob.data(), log_probs, count * sizeof(float));
  }

  Device device_;
  Tiling tiling_;
  Scratch padded_, lists_, partials_, head_, head_rows_, best_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(int ordinal, Tiling tiling) {
  return std::make_unique<CudaBackend>(ordinal, tiling);
}

}  // namespace mt::MT_TARGET
