// The forward pass of LLaMA (Touvron et al. 2023) over packs of tokens.
#pragma once
#include <memory>

#include "weights.h"

namespace mt {

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

  // Takes memory for the activations of packs of `max_tokens` tokens, or of as many as half of the device's free memory
  // holds, what else such packs take set aside, and returns how many: larger packs may have to wait for more memory,
  // and find none. Throws OUT_OF_MEMORY.
  int reserve(int max_tokens);
  // What reserve() said last; 0 before.
  int reserved_tokens() const { return reserved_tokens_; }
  // Bytes of the device that those packs leave to others. SIZE_MAX where its memory is the machine's.
  size_t free_bytes() const { return free_beside(reserved_tokens_); }

  // The final hidden states, normalised: [rows of the pack, dim] in the activation dtype. Valid until the next call.
  // The pack must have passed check_pack() or be made to its rules. `cache` is where its segments lie and its keys and
  // values go; null where it has neither segments nor cache rows. Reports each layer.
  // Throws ABORTED, OUT_OF_MEMORY; the next call finds the model as it was.
  View forward(const Pack& pack, const KvCache* cache, const Control& control);

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

  // Places them one after another from `base` on, which may be null, and returns the bytes they take.
  size_t place(Activations& views, int tokens, int rows, std::byte* base) const;
  Activations activations(int tokens, int rows);
  size_t free_beside(int tokens) const;
  void allocate(size_t bytes, size_t wanted);
  void reserve_rope(int positions);

  std::unique_ptr<Backend> backend_;
  const LlamaConfig config_;
  Weights weights_;
  DType activation_dtype_;
  std::unique_ptr<Buffer> workspace_;
  size_t reserved_ = 0;  // bytes of workspace_ at least
  int reserved_tokens_ = 0;
  std::unique_ptr<Buffer> rope_buffer_;
  RopeTable rope_;
};

}  // namespace mt
