// Decoding and scoring of LLaMA-7B in bfloat16 with random weights, through native/model as the addon calls it. The
// bits of trees, packs and sessions are compared before anything is timed. Prints rows for gpu-check's table.
//   gpu_model_bench [--tiny] [--peer SEQUENCES]
//     --tiny              small sizes, to test the program in the simulator; the figures mean nothing there
//     --peer SEQUENCES    sequences a second that bench/peers/gpu_scoring.py scored on this GPU, to print ratios
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/peak/peak.h"
#include "check.h"
#include "gpu_model.h"
#include "gpu_timing.h"
#include "model/session.h"
#include "model_bitwise.h"

namespace mt::bench {
namespace {

struct Sizes {
  LlamaConfig config;
  std::vector<int> decode_rows;
  int context, steps;
  int prefix, continuations, length;
  std::vector<int> budgets;  // tokens of a pack, in turn
  int rounds;
};

Sizes real_sizes() { return {llama_7b(), {1, 8, 32, 64}, 512, 20, 150, 4, 6, {1024, 4096, 8192, 16384}, 7}; }
Sizes tiny_sizes() { return {tiny_llama(), {1, 3}, 20, 3, 15, 4, 6, {60, 100}, 2}; }

// Returns the seconds of a step that appends one token to each of `rows` sequences of `context` tokens.
double decode_seconds(const std::shared_ptr<Llama>& model, const Sizes& sizes, int rows) {
  std::mt19937 random(rows);
  const int each = sizes.context + sizes.steps;
  std::vector<SessionSequence> sequences;
  std::vector<int32_t> offsets = {0}, ids;
  for (int s = 0; s < rows; s++) {
    sequences.push_back({.first_row = s * each, .length = 0, .stream = s});
    const auto prompt = random_request(random, sizes.context, 0, 0, sizes.config.vocab_size).prompt;
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  Session session(model);
  session.resize(rows * each, {});
  std::vector<int32_t> next(rows);
  std::vector<float> log_probs(rows);
  session.step({sequences, offsets, ids}, {next, log_probs}, Control());
  for (int s = 0; s <= rows; s++) offsets[s] = s;
  std::vector<double> times;
  for (int step = 0; step < sizes.steps; step++) {
    for (SessionSequence& sequence : sequences) sequence.length = sizes.context + step;
    const std::vector<int32_t> fed = next;
    const double begin = seconds_now();
    session.step({sequences, offsets, fed}, {next, log_probs}, Control());
    if (step >= sizes.steps / 4) times.push_back(seconds_now() - begin);  // the first quarter warms up
  }
  return median(times);
}

void measure_decoding(const std::shared_ptr<Llama>& model, const Sizes& sizes, double read) {
  const double bytes = step_weight_bytes(sizes.config, DType::kBFloat16);
  for (const int rows : sizes.decode_rows) {
    const double seconds = decode_seconds(model, sizes, rows);
    char what[100];
    std::snprintf(what, sizeof what, "decode step, %d rows, context %d", rows, sizes.context);
    row(what, "%8.2f ms, %7.0f tokens/s; weights read at %6.0f GB/s, %5.1f %% of what a plain read reaches",
        seconds * 1e3, rows / seconds, bytes / seconds / 1e9, 100 * bytes / seconds / read);
  }
}

void measure_scoring(Llama& model, const Sizes& sizes, double peer) {
  for (const Sharing sharing : {Sharing::kTrees, Sharing::kPlain})
    for (const int budget : sizes.budgets) {
      std::mt19937 random(budget);
      const ScoredPack filled =
          fill_pack(random, budget, sharing, sizes.prefix, sizes.continuations, sizes.length, sizes.config.vocab_size);
      std::vector<double> times;
      for (int round = 0; round <= sizes.rounds; round++) {
        const double begin = seconds_now();
        filled.pack.score(model);
        if (round > 0) times.push_back(seconds_now() - begin);
      }
      const double seconds = median(times), tokens = static_cast<double>(filled.pack.ids.size());
      const double flops = matrix_flops(sizes.config, tokens, static_cast<double>(filled.pack.rows.size()));
      char what[100], ratio[60] = "";
      std::snprintf(what, sizeof what, "scoring, %s, packs of %d", sharing == Sharing::kTrees ? "trees" : "unshared",
                    budget);
      if (peer > 0) std::snprintf(ratio, sizeof ratio, "; ratio %.2f", filled.sequences / seconds / peer);
      row(what, "%8.0f tokens/s run, %7.1f sequences/s, %6.1f TFLOP/s of products, %5.1f %% of 989%s", tokens / seconds,
          filled.sequences / seconds, flops / seconds / 1e12, 100 * flops / seconds / 1e12 / kPeakTflops, ratio);
      std::printf("%s: %d requests, %d sequences, %.0f tokens, %zu scored, %.3f ms\n", what, filled.requests,
                  filled.sequences, tokens, filled.pack.rows.size(), seconds * 1e3);
    }
}

// Checks the counts against counts made by hand: LLaMA-7B has 6,738,415,616 weights, of which 131,072,000 are the
// embedding and 266,240 are norms.
void check_counting() {
  CHECK_EQ(step_weight_bytes(llama_7b(), DType::kBFloat16), 2.0 * (6738415616 - 131072000 - 266240));
  std::mt19937 random(1);
  const ScoredPack trees = fill_pack(random, 1024, Sharing::kTrees, 150, 4, 6, 96);
  CHECK_EQ(trees.requests, 6);  // each has 150 + 4 * 5 tokens
  CHECK_EQ(trees.sequences, 24);
  CHECK_EQ(trees.pack.ids.size(), 1020u);
  CHECK_EQ(trees.pack.rows.size(), 144u);
  const ScoredPack plain = fill_pack(random, 1300, Sharing::kPlain, 150, 4, 6, 96);
  CHECK_EQ(plain.requests, 2);  // each has 4 * 155 tokens
  CHECK_EQ(plain.pack.ids.size(), 1240u);
  CHECK_EQ(plain.pack.trees.size(), 8u);
  const ScoredPack narrow = fill_pack(random, 1, Sharing::kTrees, 150, 4, 6, 96);
  CHECK_EQ(narrow.requests, 1);
}

void check_bits(const std::shared_ptr<Llama>& model) {
  const std::vector<test::Request> requests = test::random_requests({1, 17, 130});
  test::trees_and_packs_change_nothing(*model, requests, test::score_alone(*model, requests));
  test::sessions_equal_one_pass(model, 150, 40);
}

int run(const Sizes& sizes, double peer) {
  std::string reason;
  if (MT_TARGET::list_devices(reason).empty()) {
    std::printf("skipped: %s\n", reason.c_str());
    return 77;
  }
  const Peaks peaks = MT_TARGET::measure_peaks(0, Control());
  row("plain read", "%6.0f GB/s", peaks.read / 1e9);
  for (const auto& [instruction, flops] : peaks.arithmetic)
    row("peak of " + instruction, "%6.1f TFLOP/s", flops / 1e12);
  const double begin = seconds_now();
  const std::shared_ptr<Llama> model = random_llama(MT_TARGET::make_backend(0), sizes.config);
  const double seconds = seconds_now() - begin;
  row("load of bf16 weights", "%6.1f s, %.2f GB/s", seconds,
      static_cast<double>(model->weight_bytes()) / seconds / 1e9);
  model->reserve(sizes.budgets.back());
  check_counting();
  check_bits(model);
  if (test::failures == 0) {
    measure_scoring(*model, sizes, peer);
    measure_decoding(model, sizes, peaks.read);
  }
  return test::finish("gpu_model_bench");
}

}  // namespace
}  // namespace mt::bench

int main(int count, char** arguments) {
  bool tiny = false;
  double peer = 0;
  for (int i = 1; i < count; i++) {
    if (std::strcmp(arguments[i], "--tiny") == 0) {
      tiny = true;
    } else if (std::strcmp(arguments[i], "--peer") == 0 && i + 1 < count) {
      peer = std::atof(arguments[++i]);
    } else {
      std::fprintf(stderr, "gpu_model_bench [--tiny] [--peer SEQUENCES]\n");
      return 2;
    }
  }
  try {
    return mt::bench::run(tiny ? mt::bench::tiny_sizes() : mt::bench::real_sizes(), peer);
  } catch (const mt::Error& error) {
    std::printf("%s: %s\n", mt::error_code_name(error.code()), error.what());
    return 1;
  }
}
