// Score requests that are sound, and such with numbers and lengths changed: they are refused with a message, or run.
#include <cmath>

#include "../../../native/model/score.h"
#include "fuzz.h"

namespace mt::fuzz {
namespace {

struct Arrays {
  std::vector<int32_t> ids, pos, branch_start, rows, targets;
  std::vector<Tree> trees;
  int top_k = 0;
};

// A few trees of a prefix and branches, by the rules of struct Pack.
Arrays sound_arrays(Input& input, const LlamaConfig& config) {
  Arrays a;
  for (int trees = input.within(1, 3); trees > 0; trees--) {
    const auto start = static_cast<int32_t>(a.ids.size());
    const int prefix = input.within(0, 5);
    for (int i = 0; i < prefix; i++) {
      a.pos.push_back(i);
      a.branch_start.push_back(start);
      a.ids.push_back(input.within(0, config.vocab_size - 1));
    }
    for (int branches = input.within(prefix == 0, 3); branches > 0; branches--) {
      const auto branch = static_cast<int32_t>(a.ids.size());
      const int length = input.within(1, 4);
      for (int i = 0; i < length; i++) {
        a.pos.push_back(prefix + i);
        a.branch_start.push_back(branch);
        a.ids.push_back(input.within(0, config.vocab_size - 1));
      }
    }
    a.trees.push_back({.start = start, .end = static_cast<int32_t>(a.ids.size()), .prefix_len = prefix});
  }
  for (int rows = input.within(0, 4); rows > 0; rows--) {
    a.rows.push_back(input.within(0, static_cast<int>(a.ids.size()) - 1));
    a.targets.push_back(input.within(0, config.vocab_size - 1));
  }
  a.top_k = input.within(0, config.vocab_size);
  return a;
}

void change_tree(Tree& tree, Input& input) {
  int32_t* const fields[] = {&tree.start, &tree.end, &tree.prefix_len, &tree.segment_row, &tree.segment_len};
  *fields[input.within(0, 4)] = input.odd_number();
}

void spoil_any(Arrays& a, Input& input) {
  std::vector<int32_t>* const arrays[] = {&a.ids, &a.pos, &a.branch_start, &a.rows, &a.targets};
  const auto which = static_cast<size_t>(input.within(0, 6));
  if (which < std::size(arrays)) {
    spoil(*arrays[which], input, change_number);
  } else if (which == 5) {
    spoil(a.trees, input, change_tree);
  } else {
    a.top_k = input.odd_number();
  }
}

void run(Llama& model, const ScoreRequest& request) {
  const size_t n = request.rows.size(), best = n * static_cast<size_t>(request.top_k);
  const int vocab_size = model.config().vocab_size;
  std::vector<float> log_probs(n), top_log_probs(best);
  std::vector<int32_t> argmax(n), top_ids(best);
  score(model, request, {log_probs, argmax, top_ids, top_log_probs}, Control());
  for (const auto* numbers : {&log_probs, &top_log_probs}) {
    for (const float number : *numbers)
      if (!(number <= 0) || !std::isfinite(number)) broken("a log-probability of " + std::to_string(number));
  }
  for (const auto* ids : {&argmax, &top_ids}) {
    for (const int32_t id : *ids)
      if (id < 0 || id >= vocab_size) broken("the token " + std::to_string(id));
  }
}

}  // namespace
}  // namespace mt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  const auto model = fuzz::tiny_model(input.byte() % 2);
  const int changes = input.within(0, 3);
  fuzz::Arrays a = fuzz::sound_arrays(input, model->config());
  for (int i = 0; i < changes; i++) fuzz::spoil_any(a, input);
  const ScoreRequest request = {{a.ids, a.pos, a.branch_start, a.trees}, a.rows, a.targets, a.top_k};
  const auto codes = {ErrorCode::INVALID_ARGUMENT, ErrorCode::CONTEXT_LENGTH, ErrorCode::TOKEN_OUT_OF_RANGE};
  if (fuzz::accepts(codes, [&] { check_request(request, model->config()); })) {
    fuzz::run(*model, request);
  } else if (changes == 0) {
    fuzz::broken("a sound request is refused");
  }
  if (fuzz::accepts(codes, [&] { check_sequence(a.ids, model->config()); })) {
    std::vector<float> logits(a.ids.size() * static_cast<size_t>(model->config().vocab_size));
    sequence_logits(*model, a.ids, logits.data(), Control());
  }
  return 0;
}
