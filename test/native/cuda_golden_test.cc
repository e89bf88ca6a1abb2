// The golden checkpoints on the CUDA backend, without Node: logits, scores and greedy texts are those of transformers,
// and a request has the same bits alone as in a pack with all others. The test reads build/golden, which
// test/write-golden.ts writes, below the folder in which it is run.
// It is built twice (cuda_target.h): on a GPU it runs all checkpoints, in the simulator, whose fibers are slow, two.
//   cuda_golden_test [NAME...]    runs the named checkpoints alone
#include <algorithm>
#include <cmath>
#include <string>

#include "../../native/model/score.h"
#include "check.h"
#include "cuda_target.h"
#include "golden_case.h"
#include "model_bitwise.h"
#include "sanitizer.h"
#include "session_of.h"

namespace mt::test {
namespace {

constexpr const char* kFolder = "build/golden";

// The tolerances of golden/README.md.
constexpr double kLogitTolerance = 4e-5;    // a part of the largest logit of the sequence
constexpr double kLogProbTolerance = 1e-4;  // absolute
constexpr double kSmallMargin = 1e-3;       // with a smaller margin either token may win

// The bound of rounding_error(), as a multiple of the same error of transformers in bfloat16.
double bound(DType dtype) { return dtype == DType::kBFloat16 ? 1.5 : 0.125; }

std::shared_ptr<Llama> load(const GoldenCase& golden, DType dtype) {
  return std::make_shared<Llama>(MT_TARGET::make_backend(0), golden.config, golden.tensors, dtype, Control());
}

// Returns the largest difference of a logit, as a part of the largest logit of its sequence.
double compare_logits(Llama& model, const GoldenCase& golden) {
  double max_error = 0;
  for (const GoldenSequence& sequence : golden.sequences) {
    std::vector<float> logits(sequence.ids.size() * golden.config.vocab_size);
    check_sequence(sequence.ids, golden.config);
    sequence_logits(model, sequence.ids, logits.data(), Control());
    const float* own = logits.data() + logits.size() - sequence.logits.size();
    double largest = 0, worst = 0;
    for (size_t i = 0; i < sequence.logits.size(); i++) {
      const double difference = std::fabs(double{own[i]} - sequence.logits[i]);
      largest = std::max(largest, std::fabs(double{sequence.logits[i]}));
      worst = difference > worst || std::isnan(difference) ? difference : worst;
    }
    check(worst <= kLogitTolerance * largest, "%s, %s: logits are off by %.3g of the largest, want %.3g at most",
          golden.name.c_str(), sequence.label.c_str(), worst / largest, kLogitTolerance);
    max_error = std::max(max_error, worst / largest);
  }
  return max_error;
}

std::vector<Request> requests_of(const GoldenCase& golden) {
  std::vector<Request> requests;
  for (const GoldenRequest& golden_request : golden.requests) {
    Request request = {golden_request.prompt, {}};
    for (const std::vector<GoldenToken>& tokens : golden_request.continuations) {
      request.continuations.emplace_back();
      for (const GoldenToken& token : tokens) request.continuations.back().push_back(token.id);
    }
    requests.push_back(request);
  }
  return requests;
}

// Returns the largest difference of a log-probability. All requests are trees of one pack.
double compare_scores(Llama& model, const GoldenCase& golden, const std::vector<Request>& requests) {
  PackBuilding pack;
  for (const Request& request : requests) pack.add_tree(request);
  const Scores scores = pack.score(model);
  double max_error = 0;
  size_t at = 0;
  for (const GoldenRequest& request : golden.requests)
    for (const std::vector<GoldenToken>& tokens : request.continuations)
      for (const GoldenToken& token : tokens) {
        const double difference = std::fabs(double{scores.log_prob[at]} - token.log_prob);
        check(difference <= kLogProbTolerance, "%s: scored token %zu has %.9g, want %.9g", golden.name.c_str(), at,
              scores.log_prob[at], token.log_prob);
        if (token.margin >= kSmallMargin)
          check((scores.argmax[at] == token.id) == token.is_argmax, "%s: scored token %zu is %d, the best is %d",
                golden.name.c_str(), at, token.id, scores.argmax[at]);
        max_error = std::max(max_error, difference);
        at++;
      }
  CHECK_EQ(at, scores.log_prob.size());
  return max_error;
}

// Generates all texts in one session. A text is compared up to the first step at which either of two tokens may win.
void compare_texts(const std::shared_ptr<Llama>& model, const GoldenCase& golden) {
  const size_t count = golden.texts.size();
  std::vector<SessionSequence> sequences;
  std::vector<std::vector<int32_t>> feed;
  size_t steps = 0;
  for (const GoldenText& text : golden.texts) steps = std::max(steps, text.generated.size());
  size_t rows = 0;
  for (const GoldenText& text : golden.texts) {
    sequences.push_back({.first_row = static_cast<int32_t>(rows)});
    feed.push_back(text.prompt);
    rows += text.prompt.size() + steps;
  }
  Session session = session_of(model, static_cast<int32_t>(rows));
  std::vector<bool> compared(count, true);
  for (size_t step = 0; step < steps; step++) {
    std::vector<int32_t> offsets = {0}, ids, next(count);
    std::vector<float> log_probs(count);
    for (const std::vector<int32_t>& tokens : feed) {
      ids.insert(ids.end(), tokens.begin(), tokens.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
    session.step({sequences, offsets, ids}, {next, log_probs}, Control());
    for (size_t t = 0; t < count; t++) {
      const GoldenText& text = golden.texts[t];
      sequences[t].length += static_cast<int32_t>(feed[t].size());
      feed[t] = {next[t]};
      if (!compared[t] || step >= text.generated.size() || next[t] == text.generated[step]) continue;
      compared[t] = false;
      check(text.margins[step] < kSmallMargin, "%s: text %zu, token %zu is %d, want %d by %.3g", golden.name.c_str(), t,
            step, next[t], text.generated[step], text.margins[step]);
    }
  }
}

double log_softmax_at(const float* logits, int count, int target) {
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int i = 0; i < count; i++) sum += std::exp(logits[i] - largest);
  return logits[target] - largest - std::log(sum);
}

// The mean of |difference| between our log-probabilities of the sequences' own next tokens and those of transformers in
// float32.
double rounding_error(Llama& model, const GoldenCase& golden) {
  const int vocab = golden.config.vocab_size;
  double sum = 0;
  size_t count = 0;
  for (const auto& [label, ids, rows, logits] : golden.sequences) {
    const auto first = ids.end() - std::min<ptrdiff_t>(rows, ids.size()) + 1;
    if (first == ids.end()) continue;
    PackBuilding one;
    one.add_unsplit({{ids.begin(), first}, {}}, {first, ids.end()});
    const Scores scores = one.score(model);
    for (size_t i = 0; i < scores.log_prob.size(); i++, count++)
      sum += std::fabs(scores.log_prob[i] - log_softmax_at(logits.data() + i * vocab, vocab, first[i]));
  }
  return sum / static_cast<double>(count);
}

void test_case(const GoldenCase& golden) {
  const std::vector<Request> requests = requests_of(golden);
  std::string line;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const std::shared_ptr<Llama> model = load(golden, dtype);
    char figures[200];
    if (dtype == DType::kFloat32) {
      const double logits = compare_logits(*model, golden);
      const double scores = compare_scores(*model, golden, requests);
      compare_texts(model, golden);
      std::snprintf(figures, sizeof figures, "float32: logits off by %.2g of the largest, scores by %.2g", logits,
                    scores);
    } else {
      const std::string name(dtype_name(dtype));
      const double error = rounding_error(*model, golden), allowed = bound(dtype) * golden.bfloat16_error;
      check(error <= allowed, "%s in %s: log-probabilities are off by %.3g in the mean, want %.3g at most",
            golden.name.c_str(), name.c_str(), error, allowed);
      std::snprintf(figures, sizeof figures, "; %s: %.2g of %.2g", name.c_str(), error, allowed);
    }
    line += figures;
    if (kFibers || reduced()) continue;
    trees_and_packs_change_nothing(*model, requests, score_alone(*model, requests));
  }
  std::printf("%-16s %s\n", golden.name.c_str(), line.c_str());
  std::fflush(stdout);
}

}  // namespace
}  // namespace mt::test

int main(int count, char** arguments) {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  std::vector<std::string> names = golden_names(kFolder);
  if (names.empty()) {
    std::printf("skipped: no %s/cases.txt; `npm run golden` writes it from the shared folder\n", kFolder);
    return kSkipped;
  }
  if (kFibers || reduced()) names = {"gqa-tied-bf16", "odd-sizes"};
  if (kSanitized) names = {"odd-sizes"};
  if (count > 1) names = {arguments + 1, arguments + count};
  for (const std::string& name : names) test_case(read_golden(kFolder, name));
  return finish("cuda_golden_test");
}
