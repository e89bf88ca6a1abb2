// Log-likelihoods of target tokens over packs of prefix trees, and plain logits.
#pragma once
#include "llama.h"

namespace mt {

// Output row rows[i] of the pack is asked for the log-probability of targets[i] and its top_k best tokens.
struct ScoreRequest {
  Pack pack;
  std::span<const int32_t> rows;
  std::span<const int32_t> targets;
  int top_k = 0;
};

// Throws as check_pack(), and INVALID_ARGUMENT for rows, targets or top_k out of range or of different lengths.
void check_request(const ScoreRequest& request, const LlamaConfig& config);

// Fills the result's arrays of rows.size() and rows.size() * top_k elements. The request must have passed the check.
void score(Llama& model, const ScoreRequest& request, HeadResult result, const Control& control);

// Throws INVALID_ARGUMENT where there are no ids, TOKEN_OUT_OF_RANGE, CONTEXT_LENGTH.
void check_sequence(std::span<const int32_t> ids, const LlamaConfig& config);

// Logits of every position of one sequence: [ids, vocab]. The ids must have passed the check.
void sequence_logits(Llama& model, std::span<const int32_t> ids, float* logits, const Control& control);

}  // namespace mt
