// The numbers of a LLaMA, and the check that they make sense together.
#pragma once
#include <vector>

#include "../backend/weight_store.h"

namespace mt {

struct LlamaConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int context_length = 0;  // maximum of positions in a sequence
  // [layers] how many positions a row of the layer sees, its own the last of them; empty if all layers see the context
  std::vector<int> windows;
  float rms_norm_eps = 0;
  std::vector<float> rope_frequencies;  // [head_dim / 2]: inverse frequencies, with scaling applied
  float rope_attention_factor = 1;      // multiplies cos and sin
  bool tied_head = false;               // whether the embedding is the head
  bool qkv_bias = false;                // whether q, k and v have biases
  bool head_norms = false;              // whether each head of q and of k goes through a norm
  bool o_bias = false;                  // whether the output of attention has one
  bool mlp_bias = false;                // whether gate, up and down have them

  int q_size() const { return heads * head_dim; }
  int kv_size() const { return kv_heads * head_dim; }
  int window(int layer) const { return windows.empty() ? context_length : windows[layer]; }
  HeadShape head_shape() const { return {heads, kv_heads, head_dim}; }

  // These throw INVALID_ARGUMENT naming the wrong field. The first looks at the sizes alone.
  void check_sizes() const;
  void check() const;
};

}  // namespace mt
