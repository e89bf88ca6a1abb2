// One op on one backend, with inputs made from a seed: the same numbers whatever the backend.
#pragma once
#include <memory>
#include <vector>

#include "../backend/backend.h"
#include "op_case.h"

namespace mt::bench {

// Inputs as float32, already rounded to what the backend takes.
struct OpInput {
  std::vector<float> rows;     // [rows, in]: x, h, a, or q of the op
  std::vector<float> weights;  // [out, in] rounded to the dtype
  std::vector<float> bias;     // [out] or empty
  std::vector<float> k, v;     // [cache rows + tokens, kv_dim]
  std::vector<float> start;    // [rows, out] what linear_add adds to
};

class OpRun {
 public:
  static constexpr size_t kMaxCopies = 4096;

  // Inputs are rounded to the backend's activations, or to `rounding` for comparison with another backend.
  OpRun(Backend& backend, const OpCase& c) : OpRun(backend, c, backend.activation_dtype(c.dtype)) {}
  OpRun(Backend& backend, const OpCase& c, DType rounding);

  // With rotate(): on the next copy of the weights.
  void run();
  // Copies the weights, or the cached keys and values, until `bytes` of them lie apart or there are kMaxCopies, so
  // that runs in turn read them from memory, as the layers of a model do, and not from a cache.
  // Returns whether they do: those of a tiny model stay in caches.
  bool rotate(size_t bytes);
  // What the op wrote, as float32 [rows, width]. qkv: q, k and v side by side. head_score: log_prob, argmax, top ids,
  // top log-probabilities side by side. head_sample: id, log_prob side by side.
  std::vector<float> output();
  // Of head_sample: the logits [rows, vocab] of the first rows, as the same backend's head_logits gives them; and how
  // and by which random bits the op draws from them.
  std::vector<float> logits(int rows);
  Sampling sampling() const { return {.temperature = 0.8f, .top_k = case_.top_k, .top_p = 0.9f}; }
  const std::vector<uint64_t>& draws() const { return draws_; }

  int rows() const { return rows_; }  // of the output
  int width() const { return width_; }
  double flops() const;         // of one run, multiply and add counted apart; 0 where none matter
  double bytes() const;         // that one run must read or write at least once
  double memory_bytes() const;  // of those, what rotate() keeps out of caches: weights, cached k and v
  DType activation() const { return activation_; }  // of the backend
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
  std::vector<std::unique_ptr<Matrix>> matrices_;  // copies of one
  std::vector<KvCache> caches_;                    // copies of one
  size_t turn_ = 0;
  std::unique_ptr<PlacedPack> pack_;
  std::vector<int32_t> ids_, pos_, branch_start_, targets_;
  std::vector<Tree> trees_;
  View x_, y_, bias_, q_, k_, v_, norm_;
  RopeTable rope_;
  std::vector<float> host_, top_log_prob_;
  std::vector<int32_t> argmax_, top_ids_, chosen_;
  std::vector<uint64_t> draws_;
};

}  // namespace mt::bench
