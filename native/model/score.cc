// Checks requests, then runs a forward pass and the head on the rows that are asked for.
#include "score.h"

#include <numeric>
#include <string>

#include "pack_check.h"

namespace mt {

void check_request(const ScoreRequest& request, const LlamaConfig& config, int32_t cache_rows) {
  check_pack(request.pack, config, cache_rows);
  if (request.rows.size() != request.targets.size()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "rows and targets have " + std::to_string(request.rows.size()) + " and " +
                                                 std::to_string(request.targets.size()) +
                                                 " elements, expected as many of each");
  }
  if (request.rows.size() > INT32_MAX) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "rows has " + std::to_string(request.rows.size()) +
                                                 " elements, expected at most " + std::to_string(INT32_MAX));
  }
  check_rows(request.rows, static_cast<int>(request.pack.ids.size()));
  check_ids(request.targets, config.vocab_size, "targets");
  if (request.top_k < 0 || request.top_k > config.vocab_size) {
    throw Error(ErrorCode::INVALID_ARGUMENT,
                "topK is " + std::to_string(request.top_k) + ", expected 0 .. " + std::to_string(config.vocab_size));
  }
}

void score(Llama& model, const ScoreRequest& request, HeadResult result, const Control& control, const KvCache* cache) {
  if (request.rows.empty()) return;
  Pack pack = request.pack;
  pack.rows = request.rows;
  const View h = model.forward(pack, cache, control);
  control.poll();
  model.backend().head_score(h, model.head(), request.targets, request.top_k, result, control);
}

void check_sequence(std::span<const int32_t> ids, const LlamaConfig& config) {
  if (ids.empty()) throw Error(ErrorCode::INVALID_ARGUMENT, "a sequence without tokens");
  if (ids.size() > static_cast<size_t>(config.context_length)) {
    throw Error(ErrorCode::CONTEXT_LENGTH, "the sequence has " + std::to_string(ids.size()) +
                                               " tokens; the model has " + std::to_string(config.context_length) +
                                               " positions");
  }
  check_ids(ids, config.vocab_size, "ids");
}

void sequence_logits(Llama& model, std::span<const int32_t> ids, float* logits, const Control& control) {
  const int32_t tokens = static_cast<int32_t>(ids.size());
  std::vector<int32_t> positions(tokens), branch_start(tokens, 0);
  std::iota(positions.begin(), positions.end(), 0);
  const Tree tree = {.start = 0, .end = tokens};
  const View h = model.forward({ids, positions, branch_start, {&tree, 1}, positions}, nullptr, control);
  control.poll();
  model.backend().head_logits(h, model.head(), logits, control);
}

}  // namespace mt
