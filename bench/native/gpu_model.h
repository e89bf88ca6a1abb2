// A LLaMA with random weights that needs no checkpoint of its size: all its matrices are read from the same few hundred
// MB. Also packs of prompts with continuations to score on it, and counts of what a pass costs.
#pragma once
#include <memory>
#include <random>

#include "model/llama.h"
#include "pack_building.h"

namespace mt::bench {

// LLaMA-7B (Touvron et al. 2023), table 2.
LlamaConfig llama_7b();
// A small model of the same proportions, for the simulator.
LlamaConfig tiny_llama();

// Loads a model in bfloat16 from a temporary file as large as the largest matrix. Weights are uniform in -0.035 ..
// 0.035, which gives the standard deviation of 0.02 that models start training with; norms are ones.
std::shared_ptr<Llama> random_llama(std::unique_ptr<Backend> backend, const LlamaConfig& config);

// A prompt of `prefix` tokens with continuations of `length` tokens each.
test::Request random_request(std::mt19937& random, int prefix, int continuations, int length, int vocab);

// A pack with as many requests as `budget` tokens hold, but at least one.
struct ScoredPack {
  test::PackBuilding pack;
  int requests = 0;
  int sequences = 0;  // continuations of all requests
};
enum class Sharing { kTrees, kPlain };
ScoredPack fill_pack(std::mt19937& random, int budget, Sharing sharing, int prefix, int continuations, int length,
                     int vocab);

// Floating-point operations of the matrix products of a pass. All layers run over `tokens`, except that the last one
// from the SwiGLU on, and the head, run over `rows`.
double matrix_flops(const LlamaConfig& config, double tokens, double rows);

// Bytes of weights that a step over few tokens must read: all but the embedding, of which it reads only a few rows.
double step_weight_bytes(const LlamaConfig& config, DType dtype);

}  // namespace mt::bench
