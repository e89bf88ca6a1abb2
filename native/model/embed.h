// Vectors of texts: the final hidden states of their tokens, pooled.
#pragma once
#include "llama.h"

namespace mt {

// How the hidden states of a text become one vector: their mean over all tokens, or the last token's.
enum class Pooling { kMean, kLast };

// Text i has the tokens ids[offsets[i] .. offsets[i + 1]), at least one.
struct EmbedRequest {
  std::span<const int32_t> offsets;  // [n + 1]
  std::span<const int32_t> ids;      // [offsets[n]]
  Pooling pooling = Pooling::kMean;
};

// Throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, and CONTEXT_LENGTH naming the text.
void check_request(const EmbedRequest& request, const LlamaConfig& config);

// Fills `vectors`: [n, dim]. What a text's is does not depend on the texts beside it. The request must have passed
// check_request().
void embed(Llama& model, const EmbedRequest& request, std::span<float> vectors, const Control& control);

}  // namespace mt
