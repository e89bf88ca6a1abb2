// Packs of prompts with continuations, laid out as trees or as plain sequences, and scoring them.
#pragma once
#include <vector>

#include "../../native/model/llama.h"

namespace mt::test {

struct Request {
  std::vector<int32_t> prompt;  // one token at least
  std::vector<std::vector<int32_t>> continuations;
};

// Of the scored tokens, in order of (request, continuation, token).
struct Scores {
  std::vector<float> log_prob;
  std::vector<int32_t> argmax;
};

// A pack under construction, with the rows to score in order of (request, continuation, token). The last token of a
// continuation is not in it: nothing is predicted from that.
struct PackBuilding {
  std::vector<int32_t> ids, pos, branch_start, rows, targets;
  std::vector<Tree> trees;

  // The prompt once, and the continuations as its branches.
  void add_tree(const Request& request);
  // Each continuation by itself behind its own copy of the prompt.
  void add_plain(const Request& request);
  // As one sequence without a prefix.
  void add_unsplit(const Request& request, const std::vector<int32_t>& continuation);

  Scores score(Llama& model) const;

 private:
  void add(int32_t id, int32_t position, int32_t begin);
  void add_branch(const std::vector<int32_t>& continuation, int32_t predictor, int32_t position);
};

}  // namespace mt::test
