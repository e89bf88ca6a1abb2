// A checkpoint of build/golden and what transformers computes from it, as test/write-golden.ts writes them:
//   case.txt     the config, then one line for each tensor, sequence, request, continuation and greedy text
//   weights.bin  the bytes of the tensors as the checkpoint stores them
//   logits.bin   the logits f32 [rows, vocab] of all sequences, one after another
#pragma once
#include <string>
#include <vector>

#include "../../native/model/weights.h"

namespace mt::test {

struct GoldenSequence {
  std::string label;
  std::vector<int32_t> ids;
  int rows = 0;               // how many of the sequence's last rows have logits
  std::vector<float> logits;  // [rows, vocab]
};

struct GoldenToken {
  int32_t id;
  float log_prob;
  bool is_argmax;
  float margin;  // the difference of the two best logits at its place
};

struct GoldenRequest {
  std::vector<int32_t> prompt;
  std::vector<std::vector<GoldenToken>> continuations;
};

struct GoldenText {
  std::vector<int32_t> prompt, generated;
  std::vector<float> margins;  // [generated]
};

struct GoldenCase {
  std::string name;
  LlamaConfig config;
  std::vector<StoredTensor> tensors;
  double bfloat16_error = 0;  // mean |difference| of transformers' log-probabilities in bfloat16 and in float32
  std::vector<GoldenSequence> sequences;
  std::vector<GoldenRequest> requests;
  std::vector<GoldenText> texts;
};

// Reads the names in `folder`/cases.txt; there are none if there is no such file.
std::vector<std::string> golden_names(const std::string& folder);

// Throws std::runtime_error naming the file if it is not in the right format.
GoldenCase read_golden(const std::string& folder, const std::string& name);

}  // namespace mt::test
