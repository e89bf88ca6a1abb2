// The forward pass of LLaMA (Touvron et al. 2023) over packs of tokens.
#pragma once
#include <memory>

#include "weights.h"

namespace mt {

// Where a forward pass leaves keys and values for later packs. Not owned.
struct KvAppend {
  const KvCache& cache;
  std::span<const int32_t> rows;        // rows of the pack
  std::span<const int32_t> cache_rows;  // the cache row of each
};

// A model on a device. One thread at a time.
class Llama {
 public:
  // Loads the weights; errors as load_weights().
  Llama(std::unique_ptr<Backend> backend, LlamaConfig config, const std::vector<StoredTensor>& tensors, DType dtype,
        const Control& control);

  const LlamaConfig& config() const { return config_; }
  Backend& backend() { return *backend_; }
  size_t weight_bytes() const { return weights_.bytes; }
  // [vocab, dim]
  const Matrix& head() const { return weights_.head ? *weights_.head : *weights_.embedding; }

  // The final hidden states, normalised: [rows, dim] in the activation dtype, for the rows of the pack that are asked
  // for, in that order. Valid until the next call. The pack must have passed check_pack() or be made to its rules.
  // `kv` may be null where no tree has a segment. Reports each layer. Throws ABORTED, OUT_OF_MEMORY.
  View forward(const Pack& pack, std::span<const int32_t> rows, const KvAppend* kv, const Control& control);

 private:
  // Activations of a pack, made once and grown: no allocation in a steady state.
  struct Activations {
    View x;         // [tokens, dim] f32: the residual stream
    View h;         // [tokens, dim] a norm's output
    View q;         // [tokens, heads * d] f32
    View k, v;      // [tokens, kv_heads * d] f32
    View a;         // [tokens, heads * d] the attention's output
    View f;         // [tokens, ffn]
    View x_scored;  // [rows, dim] f32
  };

  Activations activations(int tokens, int rows);
  void reserve_rope(int positions);

  std::unique_ptr<Backend> backend_;
  const LlamaConfig config_;
  Weights weights_;
  DType activation_dtype_;
  std::unique_ptr<Buffer> workspace_;
  std::unique_ptr<Buffer> rope_buffer_;
  RopeTable rope_;
};

}  // namespace mt
