// A LLaMA of random weights without a checkpoint of its size: all its matrices are read from the same few hundred MB.
// And packs of prompts with continuations to score on it, and what they cost.
#pragma once
#include <memory>
#include <random>

#include "model/llama.h"
#include "pack_building.h"

namespace mt::bench {

// LLaMA-7B (Touvron et al. 2023), table 2.
LlamaConfig llama_7b();
// The same proportions, for the host device layer.
LlamaConfig tiny_llama();

// Loaded in bfloat16 from a temporary file as large as the largest matrix: weights uniform in -0.035 .. 0.035, which
// has the deviation of 0.02 that models start training with, and norms of ones.
std::shared_ptr<Llama> random_llama(std::unique_ptr<Backend> backend, const LlamaConfig& config);

// A prompt of `prefix` tokens with continuations of `length` tokens each.
test::Request random_request(std::mt19937& random, int prefix, int continuations, int length, int vocab);

// As many requests as a pack of `budget` tokens takes, one at least.
struct ScoredPack {
  test::PackBuilding pack;
  int requests = 0;
  int sequences = 0;  // continuations of all requests
};
enum class Sharing { kTrees, kPlain };
ScoredPack fill_pack(std::mt19937& random, int budget, Sharing sharing, int prefix, int continuations, int length,
                     int vocab);

// Floating-point operations of the matrix products of a pass: every layer over `tokens`, but the last one's from the
// SwiGLU on and the head over `rows`.
double matrix_flops(const LlamaConfig& config, double tokens, double rows);

// Bytes that a step over few tokens must read: of all weights but the embedding, of which it reads some rows.
double step_weight_bytes(const LlamaConfig& config, DType dtype);

}  // namespace mt::bench
