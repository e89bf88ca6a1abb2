// What a device must do for LLaMA: hold memory, pack weights, and run each op of the forward pass.
//
// A backend owns its memory: a View's `data` is an address on the device and only upload() and download() cross over.
// Ops are queued in order; download() and the head ops wait for what they need. One thread calls a backend at a time.
// An op that throws OUT_OF_MEMORY or ABORTED may be called again.
//
// Determinism: every op computes a row from that row's inputs alone, in one order of summation that does not depend on
// the number of rows, on the place of the row in the pack, or on the number of threads. What is not finite in a row's
// inputs is no exception: no bit of a row changes by a NaN or an infinity in a row that it does not see.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../base/control.h"
#include "../base/dtype.h"
#include "../base/sampling.h"

namespace mt {

// Rows of numbers on the device, row-major and dense. A view does not own its memory.
struct View {
  void* data = nullptr;
  int rows = 0;
  int cols = 0;
  DType dtype = DType::kFloat32;
};

// Memory on the device, aligned to at least 64 bytes. It is freed with the object.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* data() = 0;
  virtual size_t bytes() const = 0;
};

// Which output rows of a weight belong together. A backend may choose its layout by this.
enum class MatrixKind : uint8_t {
  kPlain,   // [out, in]
  kQkv,     // [heads * d + 2 * kv_heads * d, in]: all of q, then all of k, then all of v
  kGateUp,  // [2 * ffn, in]: all of gate, then all of up
};

// A weight [out, in] in the backend's own layout, converted and packed once at load.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int rows = 0;  // out
  int cols = 0;  // in
  DType dtype = DType::kFloat32;
  MatrixKind kind = MatrixKind::kPlain;
};

// One tree of a pack: tokens [start, end), of which the first prefix_len are the prefix and the rest its branches.
struct Tree {
  int32_t start = 0;
  int32_t end = 0;
  int32_t prefix_len = 0;
  // Keys and values read before the pack: `segment_len` rows of the KV cache from row `segment_row` on.
  // They hold positions 0 .. segment_len - 1, and the tree's first token has position segment_len.
  int32_t segment_row = 0;
  int32_t segment_len = 0;
};

// The flat tree, on the host. Row r of a tree sees every row of the tree's segment, and row c of the same tree if
//   c <= r and (c >= branch_start[r] or c < start + prefix_len)
// Prefix rows have branch_start = start. Positions begin again after the prefix in every branch: a position is
// segment_len + offset in the prefix, or segment_len + prefix_len + offset in the branch.
struct Pack {
  std::span<const int32_t> ids;           // [tokens] in 0 .. vocab_size - 1
  std::span<const int32_t> pos;           // [tokens]
  std::span<const int32_t> branch_start;  // [tokens]
  std::span<const Tree> trees;            // contiguous, in order, covering all tokens
  std::span<const int32_t> rows = {};     // the rows that gather_rows() picks, in this order; a row may come twice
  // [tokens], or empty: the row of the KV cache to which append_kv() copies each token's keys and values.
  std::span<const int32_t> cache_rows = {};
};

// A pack on the device, with what the backend derives from it (tiles, say). Backend::place() makes it, after which the
// arrays of the Pack may be changed.
class PlacedPack {
 public:
  virtual ~PlacedPack() = default;
  int tokens = 0;
};

// The shape that attention and rotary embedding need.
struct HeadShape {
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
};

// A model's limits, from which the memory that its ops need for them follows.
struct PackLimits {
  int tokens = 0;                // maximum of tokens, and of rows of the head
  int positions = 0;             // maximum of positions that a row of attention sees
  std::span<const int> windows;  // those that attention() is called with
  std::span<const int> widths;   // the numbers of columns that inputs of matrix products have
  int vocab = 0;
  HeadShape shape;
  DType dtype = DType::kFloat32;  // the weights' type
};

// cos and sin of position * frequency, times the scaling's attention factor: [context, head_dim / 2] f32 each.
struct RopeTable {
  View cos;
  View sin;
};

// What qkv() does with the products: bias, norms of heads, rotation.
struct QkvFinish {
  View bias;    // [rows of the weight] f32, or empty
  View q_norm;  // [head_dim] f32: the weights of an RMSNorm over each head of q; empty where there is none
  View k_norm;  // [head_dim] f32: the same over each head of k; empty where q_norm is
  float eps = 0;
  RopeTable rope;
};

// Keys and values that outlive a pack: rows of [kv_heads * head_dim] f32, in one K and one V buffer for each layer.
struct KvCache {
  std::vector<View> k;  // [layers] of [rows, kv_heads * head_dim]
  std::vector<View> v;
};

// What the head says of each scored row; host arrays of the caller's, `top_*` empty where top_k is 0.
struct HeadResult {
  std::span<float> log_prob;  // [rows] log-softmax at the row's target
  std::span<int32_t> argmax;  // [rows] the best token; ties go to the lowest id
  // [rows, top_k] best first, ties to the lowest id. Where fewer logits are numbers: id 0, and a log-probability that
  // is no finite number.
  std::span<int32_t> top_ids;
  std::span<float> top_log_prob;  // [rows, top_k]
};

class Backend {
 public:
  virtual ~Backend() = default;

  // "reference", "cpu avx512_bf16", "cuda NVIDIA H100": for people.
  virtual std::string name() const = 0;

  // ---- memory ----
  // Throws OUT_OF_MEMORY. The contents are undefined.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  // Bytes that allocate() can still give. SIZE_MAX if the device uses the machine's memory.
  virtual size_t free_bytes() { return SIZE_MAX; }
  // Bytes of them that ops may yet take as scratch for packs within the limits. Lists of the head's top_k come on top.
  virtual size_t scratch_bytes(const PackLimits&) const { return 0; }
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  // Returns when all queued ops are done. A backend without a queue has nothing to wait for.
  virtual void wait() {}

  // ---- weights ----
  // Bytes that create_matrix() needs, so that a load can be refused before it starts. Throws INVALID_ARGUMENT for heads
  // for which the backend has no attention.
  virtual size_t matrix_bytes(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype) const = 0;
  // `memory` has that size, is aligned as a Buffer, and outlives the matrix.
  virtual std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype,
                                                void* memory) = 0;
  // Rounds host values [count, cols] f32 to the matrix's dtype and stores them as rows row .. row + count - 1. After
  // the call the values may be changed, and ops that are queued see the rows.
  virtual void write_rows(Matrix& matrix, int row, int count, const float* values) = 0;
  // Waits until all rows are on the device, and frees the memory that their transfer needed.
  virtual void finish_rows() {}
  // The dtype of the `h`, `a` and `f` inputs below for weights of this dtype.
  virtual DType activation_dtype(DType weights) const = 0;

  // ---- packs ----
  // `windows` are those with which attention() will be called, each one once.
  virtual std::unique_ptr<PlacedPack> place(const Pack& pack, HeadShape shape, std::span<const int> windows) = 0;

  // ---- ops, in the order of the forward pass; T = tokens of the pack ----

  // x[t, :] = table[ids[t], :]            x [T, dim] f32
  virtual void embed(const PlacedPack& pack, const Matrix& table, View x) = 0;

  // y[t, :] = x[t, :] / sqrt(mean(x[t, :]^2) + eps) * w        (Zhang and Sennrich 2019)
  //   x [rows, dim] f32   w [dim] f32   y [rows, dim] activation dtype, not x
  virtual void rms_norm(View x, View w, float eps, View y) = 0;

  // [q k v] = h w^T + bias, then on each head of q and of k
  //   RMSNorm, if the model has one (Henry et al. 2020, Yang et al. 2025):
  //     x -> x / sqrt(mean(x^2) + eps) * w, w being q_norm or k_norm
  //   RoPE (rotate halves, Su et al. 2021, as Hugging Face lays it out):
  //     (a, b) = (x[i], x[i + d/2]) -> (a cos - b sin, b cos + a sin) at the token's position
  //   h [T, dim]   w kQkv   q [T, heads * d] f32   k, v [T, kv_heads * d] f32
  virtual void qkv(const PlacedPack& pack, View h, const Matrix& w, const QkvFinish& finish, HeadShape shape, View q,
                   View k, View v) = 0;

  // out[t, head] = softmax(q[t, head] . K / sqrt(d)) V over what row t sees, online, keys in blocks cut by absolute
  // position, so that an unshared, a tree and a KV-segment run add in the same order. Of the positions that the pack
  // lets it see, a row at position p sees those from p - window + 1 on (Beltagy et al. 2020): `window` positions, its
  // own among them. A window of the context's length hides nothing.
  //   q [T, heads * d] f32   k, v [T, kv_heads * d] f32   cache may be null (no tree has a segment)
  //   window 1 or more, one of those that place() was told   out [T, heads * d] activation dtype
  virtual void attention(const PlacedPack& pack, View q, View k, View v, const KvCache* cache, int layer,
                         HeadShape shape, int window, View out) = 0;

  // Copies all rows of k and v into the cache: row t -> row cache_rows[t] of `layer`. No two may be the same.
  virtual void append_kv(const PlacedPack& pack, View k, View v, const KvCache& cache, int layer) = 0;

  // x[t, :] += a[t, :] w^T + bias         a [rows, in] activation dtype   x [rows, out] f32
  virtual void linear_add(View a, const Matrix& w, View bias, View x) = 0;

  // f = silu(h gate^T + bias_gate) * (h up^T + bias_up)          (SwiGLU, Shazeer 2020)
  //   w kGateUp   bias [2 * ffn] f32 or empty   f [rows, ffn] activation dtype
  virtual void swiglu(View h, const Matrix& w, View bias, View f) = 0;

  // y[i, :] = x[rows[i], :]               x [T, dim] f32   y [rows of the pack, dim] f32
  virtual void gather_rows(const PlacedPack& pack, View x, View y) = 0;

  // The head takes longer than other ops where the vocabulary is large: it polls `control` between parts of its work
  // and throws ABORTED. What else it takes of memory is bounded, whatever the number of rows and top_k.

  // Log-softmax of h w^T at targets[i], the argmax and the top k.
  //   h [rows, dim] activation dtype   targets [rows]   Waits for the result.
  virtual void head_score(View h, const Matrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                          const Control& control) = 0;

  // The token that each row's random bits pick from its logits h w^T, and its log-softmax: choose_token() of
  // base/sampling.h, without the logits leaving the device.
  //   h [rows, dim] activation dtype   temperature above 0   random, ids, log_prob [rows]   Waits for the result.
  virtual void head_sample(View h, const Matrix& w, const Sampling& sampling, std::span<const uint64_t> random,
                           std::span<int32_t> ids, std::span<float> log_prob, const Control& control) = 0;

  // logits = h w^T, to the host: [rows, vocab] f32. Waits for the result.
  virtual void head_logits(View h, const Matrix& w, float* logits, const Control& control) = 0;
};

// Plain scalar float32 on one thread: the definition with which the other backends are compared.
std::unique_ptr<Backend> make_reference_backend();

// The backend for CPUs. With 0 `threads` it uses one for each core. The instruction set is the best that the processor
// has, or the one that $MT_LLAMA_CPU names (of cpu_variants()). Throws DEVICE_UNAVAILABLE if the processor lacks that
// one.
std::unique_ptr<Backend> make_cpu_backend(int threads);

// The instruction sets that the processor has and that there are kernels for, the best first: amx_bf16, avx512_bf16,
// avx512, avx2, scalar.
std::vector<std::string> cpu_variants();

}  // namespace mt
