// The weights of a LLaMA on a device, and loading them from the bytes of a checkpoint's files.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../backend/backend.h"
#include "../base/control.h"
#include "config.h"
#include "stored.h"

namespace mt {

// Which bytes of which file are a tensor, under Hugging Face's name (model.layers.0.self_attn.q_proj.weight).
struct StoredTensor {
  std::string name;
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  StoredType type = StoredType::kF32;
  std::vector<int64_t> shape;  // [out, in] or [n]
  // Rows of q or k as llama.cpp keeps them: within each head, stored row 2 i + j is row i + j * head_dim / 2.
  bool rope_interleaved = false;
};

// Views without data are biases the checkpoint does not have.
struct LayerWeights {
  View attention_norm;              // [dim]
  std::unique_ptr<Matrix> qkv;      // [q + 2 kv, dim]
  View qkv_bias;                    // [q + 2 kv]
  std::unique_ptr<Matrix> o;        // [dim, q]
  View o_bias;                      // [dim]
  View ffn_norm;                    // [dim]
  std::unique_ptr<Matrix> gate_up;  // [2 ffn, dim]
  View gate_up_bias;                // [2 ffn]
  std::unique_ptr<Matrix> down;     // [dim, ffn]
  View down_bias;                   // [dim]
};

struct Weights {
  std::unique_ptr<Buffer> memory;  // of all of it
  size_t bytes = 0;
  std::unique_ptr<Matrix> embedding;  // [vocab, dim]
  std::vector<LayerWeights> layers;
  View final_norm;               // [dim]
  std::unique_ptr<Matrix> head;  // [vocab, dim]; null where it is the embedding
};

// Weights::bytes, from the tensors' names alone.
size_t weight_bytes(const Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors,
                    DType dtype);

// Streams the tensors through a few MiB of host memory. Biases are optional, every other tensor is needed once.
// Throws INVALID_ARGUMENT (a tensor is missing, unknown or there twice), TENSOR_SHAPE, FILE_READ, WEIGHT_NOT_FINITE
// (also for a number too large for `dtype`), OUT_OF_MEMORY, ABORTED.
Weights load_weights(Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors, DType dtype,
                     const Control& control);

}  // namespace mt
