// The forward pass of LLaMA (Touvron et al. 2023) over packs of tokens.
#pragma once
#include <memory>

#include "layer.h"
#include "weights.h"

namespace mt {

// A model on a device. Only one thread at a time may use it.
class Llama {
 public:
  // Loads the weights; errors as load_weights().
  Llama(std::unique_ptr<Backend> backend, LlamaConfig config, const std::vector<StoredTensor>& tensors, DType dtype,
        const Control& control);

  const LlamaConfig& config() const { return config_; }
  Backend& backend() { return *backend_; }
  size_t weight_bytes() const { return weights_.bytes; }
  Weights& weights() { return weights_; }
  DType activation_dtype() const { return activation_dtype_; }
  // The different windows of the layers, ascending.
  std::span<const int> windows() const { return windows_; }
  // The table of cos and sin for at least so many positions, valid until the next call. Throws OUT_OF_MEMORY.
  const RopeTable& rope(int positions);
  // The head's weights [vocab, dim], which may be those of the embedding.
  const Matrix& head() const { return weights_.head ? *weights_.head : *weights_.embedding; }

  // Takes memory for the activations of packs of `max_tokens` tokens, or of fewer. It takes at most half of the memory
  // that is free on the device once all else that such packs need is set aside. Returns the number of tokens. Larger
  // packs may be run, but may run out of memory. Throws OUT_OF_MEMORY.
  int reserve(int max_tokens);
  // The last result of reserve(); 0 before the first.
  int reserved_tokens() const { return reserved_tokens_; }
  // Bytes that are free on the device and that packs of that size will never need. SIZE_MAX if the device uses the
  // machine's memory.
  size_t free_bytes() const;

  // Returns the final hidden states, normalised: [rows of the pack, dim] in the activation dtype. They are valid until
  // the next call. The pack must keep the rules of check_pack(). `cache` holds its segments and receives its keys and
  // values; it may be null if the pack has neither segments nor cache rows. Progress is reported after each layer.
  // Throws ABORTED or OUT_OF_MEMORY, after which the model can be used as before.
  View forward(const Pack& pack, const KvCache* cache, const Control& control);

 private:
  // The activations of a pack. Their memory is kept and grows, so that a steady state allocates nothing.
  struct Activations {
    View x;  // [tokens, dim] f32: the residual stream
    LayerActivations layer;
    View x_scored;  // [rows, dim] f32: the rows of it that are scored
  };

  // Places them one after another from `base` on, which may be null. Returns the bytes that they take.
  size_t place(Activations& views, int tokens, int rows, std::byte* base) const;
  Activations activations(int tokens, int rows);
  size_t free_beside(int tokens, size_t free) const;
  void allocate(size_t bytes, size_t wanted);

  std::unique_ptr<Backend> backend_;
  const LlamaConfig config_;
  Weights weights_;
  DType activation_dtype_;
  std::vector<int> windows_;  // those that occur in the config
  std::unique_ptr<Buffer> workspace_;
  size_t reserved_ = 0;  // minimum size of workspace_ in bytes, from reserve()
  int reserved_tokens_ = 0;
  std::unique_ptr<Buffer> rope_buffer_;
  RopeTable rope_;
};

}  // namespace mt
