// Log-likelihoods of target tokens over packs of prefix trees, and plain logits.
#pragma once
#include "llama.h"

namespace mt {

// Asks output row rows[i] of the pack for the log-probability of targets[i], and for its top_k best tokens.
struct ScoreRequest {
  Pack pack;
  std::span<const int32_t> rows;
  std::span<const int32_t> targets;
  int top_k = 0;
};

// Throws what check_pack() throws, and INVALID_ARGUMENT if rows, targets or top_k are out of range or if rows and
// targets have different lengths. `cache_rows` are those of the KV cache in which the segments of its trees may lie.
void check_request(const ScoreRequest& request, const LlamaConfig& config, int32_t cache_rows = 0);

// Fills the arrays of the result, which have rows.size() or rows.size() * top_k elements. The request must have passed
// check_request(). `cache` holds the segments of its trees; it may be null where there are none.
void score(Llama& model, const ScoreRequest& request, HeadResult result, const Control& control,
           const KvCache* cache = nullptr);

// Throws INVALID_ARGUMENT if there are no ids, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH.
void check_sequence(std::span<const int32_t> ids, const LlamaConfig& config);

// Computes the logits of every position of one sequence: [ids, vocab]. The ids must have passed check_sequence().
void sequence_logits(Llama& model, std::span<const int32_t> ids, float* logits, const Control& control);

}  // namespace mt
