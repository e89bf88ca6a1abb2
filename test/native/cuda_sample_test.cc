// Sampling on the CUDA backend gives the token and the log-probability of choose_token(), whatever vocabulary,
// temperature, top-k, top-p, adjustments, mask and ties. It is built twice (cuda_target.h). On a GPU the exponential
// may differ in its last bit.
#include <cmath>
#include <cstring>
#include <span>
#include <string>

#include "backend/cuda/ops/ops.h"
#include "check.h"
#include "choose.h"
#include "cuda_memory.h"
#include "cuda_target.h"
#include "logit_rows.h"
#include "random.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

using namespace MT_TARGET;

// Every how many cases one runs. It shares no factor with a period of the sweep.
const int kEvery = kSanitized ? 59 : reduced() ? 29 : kFibers ? 13 : 1;

int draws = 0, other_tokens = 0;

std::vector<Choice> sample(Device& device, const std::vector<float>& logits, int vocab, const Sampling& sampling,
                           const std::vector<uint64_t>& random, const std::vector<Adjustment>& each,
                           const std::vector<uint32_t>& mask) {
  const int rows = static_cast<int>(random.size());
  const Placed<int32_t> ids(device, rows);
  const Placed<float> log_probs(device, rows);
  std::vector<Draw> draws;
  std::vector<Adjustment> adjustments;
  std::vector<uint32_t> masks;
  for (const uint64_t bits : random) {
    const auto begin = static_cast<int32_t>(adjustments.size());
    adjustments.insert(adjustments.end(), each.begin(), each.end());
    draws.push_back({sampling, bits, begin, static_cast<int32_t>(adjustments.size())});
    if (mask.empty()) continue;
    draws.back().mask = static_cast<int32_t>(masks.size() / mask.size());
    masks.insert(masks.end(), mask.begin(), mask.end());
  }
  head_sample(device, Placed<float>(device, logits).data(), rows, vocab, Placed<Draw>(device, draws).data(),
              Placed<Adjustment>(device, adjustments).data(), Placed<float>(device, adjustments.size()).data(),
              Placed<uint32_t>(device, masks).data(), ids.data(), log_probs.data());
  const std::vector<int32_t> id = ids.read();
  const std::vector<float> log_prob = log_probs.read();
  std::vector<Choice> choices;
  for (int r = 0; r < rows; r++) choices.push_back({id[r], log_prob[r]});
  return choices;
}

// Checks that row r of logits [rows, vocab] gets the choice of choose_token() for random[r].
void test_choices(Device& device, const char* name, const std::vector<float>& logits, int vocab,
                  const Sampling& sampling, const std::vector<uint64_t>& random,
                  const std::vector<Adjustment>& adjustments = {}, const std::vector<uint32_t>& mask = {}) {
  const std::vector<Choice> got = sample(device, logits, vocab, sampling, random, adjustments, mask);
  for (size_t r = 0; r < random.size(); r++) {
    const Choice want = choose(std::span(logits).subspan(r * vocab, vocab), sampling, random[r], adjustments, mask);
    draws++;
    if (got[r].id != want.id) other_tokens++;
    const bool both_nan = std::isnan(got[r].log_prob) && std::isnan(want.log_prob);
#ifdef MT_DEVICE_HOST
    const bool same =
        got[r].id == want.id && (both_nan || std::memcmp(&got[r].log_prob, &want.log_prob, sizeof(float)) == 0);
#else
    const bool same = got[r].id >= 0 && got[r].id < vocab &&
                      (got[r].id != want.id || both_nan ||
                       std::fabs(got[r].log_prob - want.log_prob) <= 4e-6f * (1 + std::fabs(want.log_prob)));
#endif
    check(same, "%s, vocab %d temperature %g top-k %d top-p %g min-p %g: row %zu gets %d %.9g, want %d %.9g", name,
          vocab, sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p, r, got[r].id, got[r].log_prob,
          want.id, want.log_prob);
  }
}

// Adjustments of a part of the vocabulary: of none, of a few, or of all tokens.
std::vector<Adjustment> some_adjustments(int vocab, unsigned seed) {
  const float addends[] = {0, -1, 2.5f, -INFINITY};
  std::vector<Adjustment> adjustments;
  for (int id = static_cast<int>(seed) % 7; seed % 3 > 0 && id < vocab; id += seed % 3 == 1 ? 1 + vocab / 9 : 1) {
    const unsigned turn = static_cast<unsigned>(id) * 5 + seed;
    adjustments.push_back({id, turn % 2 == 0 ? 1 : 1.75f, addends[turn % 4]});
  }
  return adjustments;
}

// A mask of none, of a few, or of most tokens.
std::vector<uint32_t> some_mask(int vocab, unsigned seed) {
  if (seed % 4 < 2) return {};
  std::vector<uint32_t> mask(mask_words(vocab));
  for (int id = 0; id < vocab; id++)
    if (seed % 4 == 2 ? id % 17 == vocab / 2 % 17 : (id * 7 + int(seed % 100)) % 5 > 0)
      mask[id / 32] |= uint32_t{1} << id % 32;
  return mask;
}

// Logits are multiples of 1 / steps, so that there are ties. The random bits include the smallest and the largest.
void test_random_rows(Device& device, int vocab, float steps, const Sampling& sampling, unsigned seed) {
  std::vector<float> logits = test::random(size_t{3} * vocab, seed, 8);
  for (float& logit : logits) logit = std::round(logit * steps) / steps;
  if (seed % 5 == 0) logits[seed % logits.size()] = -0.0f;
  if (seed % 7 == 0) logits[seed * 13 % logits.size()] = NAN;
  if (seed % 11 == 0) logits[seed * 17 % logits.size()] = -INFINITY;
  test_choices(device, ("seed " + std::to_string(seed)).c_str(), logits, vocab, sampling,
               {random_bits(seed, 1, 2), seed % 2 ? 0 : UINT64_MAX, random_bits(seed, 1, 3)},
               some_adjustments(vocab, seed), some_mask(vocab, seed));
}

void sweep(Device& device) {
  unsigned turn = 0;
  for (const int vocab : {1, 2, 5, 31, 33, 512, 513, 1000, 20011, 128256})
    for (const float temperature : {0.0f, 1e-30f, 0.3f, 1.0f, 900.0f})
      for (const int top_k : {0, 1, 2, 7, 50, vocab - 1, vocab, vocab + 1})
        for (const float top_p : {1e-6f, 0.4f, 0.9f, 0.9999f, 1.0f}) {
          turn++;
          if (top_k < 0 || turn % kEvery != 0) continue;
          run_threads_backwards(turn % 2 == 0);
          const float steps = turn % 3 == 0 ? 1.0f : turn % 3 == 1 ? 4.0f : 1e6f;
          test_random_rows(device, vocab, steps,
                           {.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = turn % 2 ? 0.1f : 0},
                           turn);
        }
  run_threads_backwards(false);
}

void test_rows(Device& device) {
  for (const int vocab : {1, 31, 32, 1000, 49152, 128256}) {
    if (reduced() && vocab > 1000) continue;
    unsigned turn = 0;
    for (const auto& [name, logits] : logit_rows(vocab))
      for (const int top_k : {0, 1, 2, 50, vocab})
        for (const float top_p : {0.8f, 0.9999f, 1.0f}) {
          run_threads_backwards(++turn % 2 == 0);
          test_choices(device, name, logits, vocab, {.temperature = 0.7f, .top_k = top_k, .top_p = top_p},
                       {random_bits(vocab, 1, turn)});
        }
  }
  run_threads_backwards(false);
}

// With evenly spaced random bits, every token is drawn as often as its probability says.
void frequencies(Device& device) {
  const std::vector<float> one = {std::log(0.2f), std::log(0.4f), std::log(0.1f), std::log(0.3f)};
  constexpr int kDraws = 64;
  std::vector<float> logits;
  std::vector<uint64_t> random;
  for (int i = 0; i < kDraws; i++) {
    logits.insert(logits.end(), one.begin(), one.end());
    random.push_back(static_cast<uint64_t>((i + 0.5) / kDraws * 0x1p64));
  }
  int counts[4] = {};
  for (const Choice& c : sample(device, logits, 4, {.temperature = 1, .top_p = 0.75f}, random, {}, {})) counts[c.id]++;
  // Top-p keeps three tokens, because 0.4 + 0.3 < 0.75 <= 0.4 + 0.3 + 0.2.
  const double want[4] = {2 / 9.0, 4 / 9.0, 0, 3 / 9.0};
  for (int id = 0; id < 4; id++)
    check(std::fabs(counts[id] - want[id] * kDraws) <= 1, "token %d came %d times, want %.1f", id, counts[id],
          want[id] * kDraws);
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  Device device(0);
  sweep(device);
  test_rows(device);
  frequencies(device);
  // A draw at the edge between two tokens may fall on the other side.
  check(other_tokens * 200 <= draws, "%d of %d draws are other tokens than choose_token's", other_tokens, draws);
  return finish("cuda_sample_test");
}
