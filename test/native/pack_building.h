// Builds packs of prompts with continuations, as trees or as plain sequences, and scores them.
#pragma once
#include <vector>

#include "../../native/model/llama.h"

namespace mt::test {

struct Request {
  std::vector<int32_t> prompt;  // one token at least
  std::vector<std::vector<int32_t>> continuations;
};

// The results of the scored tokens, in order of (request, continuation, token).
struct Scores {
  std::vector<float> log_prob;
  std::vector<int32_t> argmax;
};

// A pack under construction, and the rows to score in order of (request, continuation, token). It does not hold the
// last token of a continuation, because nothing is predicted from it.
struct PackBuilding {
  std::vector<int32_t> ids, pos, branch_start, rows, targets;
  std::vector<Tree> trees;

  // Adds the prompt once, with the continuations as its branches.
  void add_tree(const Request& request);
  // Adds each continuation by itself after its own copy of the prompt.
  void add_plain(const Request& request);
  // Adds one sequence without a prefix.
  void add_unsplit(const Request& request, const std::vector<int32_t>& continuation);

  Scores score(Llama& model) const;

 private:
  void add(int32_t id, int32_t position, int32_t begin);
  void add_branch(const std::vector<int32_t>& continuation, int32_t predictor, int32_t position);
};

}  // namespace mt::test
