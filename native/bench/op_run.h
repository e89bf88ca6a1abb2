// One op on one backend. Its inputs are made from a seed and are the same numbers for all backends.
#pragma once
#include <memory>
#include <vector>

#include "../backend/backend.h"
#include "op_case.h"

namespace mt::bench {

// The inputs as float32, rounded to the types that the backend takes.
struct OpInput {
  std::vector<float> rows;            // [rows, in]: the op's x, h, a or q
  std::vector<float> weights;         // [out, in] rounded to the dtype
  std::vector<float> bias;            // [out], or empty
  std::vector<float> q_norm, k_norm;  // [head_dim] each, or empty
  std::vector<float> k, v;            // [cache rows + tokens, kv_dim]
  std::vector<float> start;           // [rows, out]: what linear_add adds to
};

class OpRun {
 public:
  static constexpr size_t kMaxCopies = 4096;

  // Inputs are rounded to the backend's activations, or to `rounding` for comparison with another backend.
  OpRun(Backend& backend, const OpCase& c) : OpRun(backend, c, backend.activation_dtype(c.dtype)) {}
  OpRun(Backend& backend, const OpCase& c, DType rounding);

  // Runs the op; after rotate(), on the next copy of the weights. The ops of the head poll `control`.
  void run(const Control& control = Control());
  // Copies the weights, or the cached keys and values, until there are `bytes` of them or kMaxCopies. Runs take the
  // copies in turn, so that they read from memory and not from a cache, as the layers of a model do.
  // Returns whether there are `bytes`; fewer may stay in caches.
  bool rotate(size_t bytes);
  // Returns what the op wrote, as float32 [rows, width]. Side by side are q, k and v of qkv; log_prob, argmax, top ids
  // and top log-probabilities of head_score; id and log_prob of head_sample.
  std::vector<float> output();
  // For head_sample: the logits [rows, vocab] of the first rows, by head_logits of the same backend; the sampling; and
  // the random bits of each row.
  std::vector<float> logits(int rows);
  Sampling sampling() const { return {.temperature = 0.8f, .top_k = case_.top_k, .top_p = 0.9f}; }
  const std::vector<uint64_t>& draws() const { return draws_; }

  // The shape of the output.
  int rows() const { return rows_; }
  int width() const { return width_; }
  // Operations of one run, a multiply-add counting as two; 0 for ops that only move numbers.
  double flops() const;
  // Bytes that one run must read or write at least once.
  double bytes() const;
  // The part of them that rotate() keeps out of caches: weights, or cached keys and values.
  double memory_bytes() const;
  // The type of the backend's activations.
  DType activation() const { return activation_; }
  const OpInput& input() const { return input_; }

 private:
  View view(int rows, int cols, DType dtype);
  View upload(const std::vector<float>& values, int cols, DType dtype);
  std::vector<float> read(View view);
  double pairs() const;
  void make_pack();
  void make_weights(int out, int in, MatrixKind kind);
  void add_matrix(const float* values, int out, int in, MatrixKind kind);
  void add_cache();

  Backend& backend_;
  const OpCase case_;
  HeadShape heads_;
  DType activation_;
  int rows_ = 0, width_ = 0, tokens_ = 0, cache_rows_ = 0;
  OpInput input_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<std::unique_ptr<Matrix>> matrices_;  // copies of the weights
  std::vector<KvCache> caches_;                    // copies of the cache
  size_t turn_ = 0;
  std::unique_ptr<PlacedPack> pack_;
  std::vector<int32_t> ids_, pos_, branch_start_, targets_;
  std::vector<Tree> trees_;
  View x_, y_, bias_, q_, k_, v_, norm_;
  QkvFinish finish_;
  std::vector<float> host_, top_log_prob_;
  std::vector<int32_t> argmax_, top_ids_, chosen_;
  std::vector<uint64_t> draws_;
};

}  // namespace mt::bench
