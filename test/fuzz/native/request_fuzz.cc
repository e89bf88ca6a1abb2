// Requests to score and to embed that are sound, and such with numbers and lengths changed: they are refused with a
// message, or run.
#include <cmath>

#include "../../../native/model/embed.h"
#include "../../../native/model/score.h"
#include "packs.h"

namespace mt::fuzz {
namespace {

struct Request : PackArrays {
  int top_k = 0;
};

void spoil_any(Request& request, Input& input) {
  const int which = input.within(0, 6);
  if (which < 6) {
    spoil_array(request, which, input);
  } else {
    request.top_k = input.odd_number();
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
  fuzz::Request a = {fuzz::sound_arrays(input, model->config()), 0};
  a.top_k = input.within(0, model->config().vocab_size);
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
  std::vector<int32_t> offsets = {0};
  for (const Tree& tree : a.trees) offsets.push_back(tree.end);
  if (changes > 0) fuzz::spoil(offsets, input, fuzz::change_number);
  const EmbedRequest texts = {offsets, a.ids, input.byte() % 2 == 0 ? Pooling::kMean : Pooling::kLast};
  if (fuzz::accepts(codes, [&] { check_request(texts, model->config()); })) {
    std::vector<float> vectors((offsets.size() - 1) * static_cast<size_t>(model->config().hidden_size));
    embed(*model, texts, vectors, Control());
    for (const float number : vectors)
      if (!std::isfinite(number)) fuzz::broken("a vector with " + std::to_string(number));
  } else if (changes == 0) {
    fuzz::broken("sound texts are refused");
  }
  return 0;
}
