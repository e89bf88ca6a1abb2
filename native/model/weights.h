// The weights of a LLaMA on a device, and loading them from the bytes of a checkpoint's files.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../backend/backend.h"
#include "../base/control.h"
#include "adapter.h"
#include "config.h"
#include "stored_tensor.h"

namespace mt {

// A bias or norm that the model does not have is a view without data.
struct LayerWeights {
  View attention_norm;                      // [dim]
  std::unique_ptr<Matrix> qkv;              // [q + 2 kv, dim]
  View qkv_bias;                            // [q + 2 kv]
  View q_norm;                              // [head_dim]
  View k_norm;                              // [head_dim]
  std::unique_ptr<Matrix> o;                // [dim, q]
  View o_bias;                              // [dim]
  View ffn_norm;                            // [dim]
  std::unique_ptr<Matrix> gate_up;          // [2 ffn, dim]
  View gate_up_bias;                        // [2 ffn]
  std::unique_ptr<Matrix> down;             // [dim, ffn]
  View down_bias;                           // [dim]
  std::unique_ptr<LayerAdapters> adapters;  // null if the layer has none
};

struct Weights {
  std::unique_ptr<Buffer> memory;     // holds all of the weights
  size_t bytes = 0;                   // size of `memory`
  std::unique_ptr<Matrix> embedding;  // [vocab, dim]
  std::vector<LayerWeights> layers;
  View final_norm;               // [dim]
  std::unique_ptr<Matrix> head;  // [vocab, dim]; null if the embedding is the head
  int adapter_rank = 0;          // the largest of all products' adapters; 0 if there are none
};

// Returns what Weights::bytes will be.
size_t weight_bytes(const Backend& backend, const LlamaConfig& config, DType dtype);

// Loads the weights through a few MiB of host memory. Each of parameters(config) is needed once, and no other tensor.
// Throws INVALID_ARGUMENT (a tensor is missing, unknown or there twice), TENSOR_SHAPE, FILE_READ, WEIGHT_NOT_FINITE
// (a number may also be too large for `dtype`), OUT_OF_MEMORY, ABORTED.
Weights load_weights(Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors, DType dtype,
                     const Control& control);

}  // namespace mt
