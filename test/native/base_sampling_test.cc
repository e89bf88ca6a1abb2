// Sampling: which tokens may come, how often they do, and that a draw depends on its counter alone.
#include <cmath>
#include <map>
#include <vector>

#include "../../native/base/error.h"
#include "../../native/base/sampling.h"
#include "check.h"
#include "choose.h"

namespace mt::test {
namespace {

constexpr int kDraws = 20'000;

std::map<int32_t, int> draw(const Sampling& sampling, const std::vector<float>& logits) {
  std::map<int32_t, int> counts;
  for (int step = 0; step < kDraws; step++) {
    counts[choose(logits, sampling, random_bits(sampling.seed, 3, static_cast<uint64_t>(step))).id]++;
  }
  return counts;
}

// Each token as often as `probabilities` says, within five standard deviations; tokens of probability 0 never.
void check_counts(const char* name, const std::map<int32_t, int>& counts, const std::vector<double>& probabilities) {
  for (size_t id = 0; id < probabilities.size(); id++) {
    const double p = probabilities[id], want = p * kDraws;
    const auto found = counts.find(static_cast<int32_t>(id));
    const int got = found == counts.end() ? 0 : found->second;
    check(std::fabs(got - want) <= 5 * std::sqrt(want * (1 - p)), "%s: token %zu came %d times, want %.0f", name, id,
          got, want);
  }
}

// Probabilities 0.4, 0.3, 0.2, 0.1 in an order that is none.
const std::vector<float> kLogits = {std::log(0.2f), std::log(0.4f), std::log(0.1f), std::log(0.3f)};

void frequencies() {
  check_counts("temperature 1", draw({.temperature = 1, .seed = 1}, kLogits), {0.2, 0.4, 0.1, 0.3});
  check_counts("temperature 0.5", draw({.temperature = 0.5f, .seed = 2}, kLogits),
               {0.04 / 0.3, 0.16 / 0.3, 0.01 / 0.3, 0.09 / 0.3});
  check_counts("top-k 2", draw({.temperature = 1, .top_k = 2, .seed = 3}, kLogits), {0, 4 / 7.0, 0, 3 / 7.0});
  check_counts("top-k 100", draw({.temperature = 1, .top_k = 100, .seed = 3}, kLogits), {0.2, 0.4, 0.1, 0.3});
  // 0.4 + 0.3 < 0.75 <= 0.4 + 0.3 + 0.2
  check_counts("top-p 0.75", draw({.temperature = 1, .top_p = 0.75f, .seed = 4}, kLogits),
               {2 / 9.0, 4 / 9.0, 0, 3 / 9.0});
  check_counts("top-p least", draw({.temperature = 1, .top_p = 1e-6f, .seed = 5}, kLogits), {0, 1, 0, 0});
  // top-p works on what top-k leaves: 4/7 < 0.6
  check_counts("both", draw({.temperature = 1, .top_k = 2, .top_p = 0.55f, .seed = 6}, kLogits), {0, 1, 0, 0});
  // Of the largest, 0.4, the others have 0.75, 0.5 and 0.25; at temperature 0.5 the squares of these.
  check_counts("min-p 0.49", draw({.temperature = 1, .min_p = 0.49f, .seed = 10}, kLogits),
               {2 / 9.0, 4 / 9.0, 0, 3 / 9.0});
  check_counts("min-p 0.5, colder", draw({.temperature = 0.5f, .min_p = 0.5f, .seed = 11}, kLogits),
               {0, 0.16 / 0.25, 0, 0.09 / 0.25});
  check_counts("min-p 1", draw({.temperature = 1, .min_p = 1, .seed = 12}, kLogits), {0, 1, 0, 0});
  check_counts("all three", draw({.temperature = 1, .top_k = 3, .top_p = 0.99f, .min_p = 0.6f, .seed = 13}, kLogits),
               {0, 4 / 7.0, 0, 3 / 7.0});
  check_counts("a cold temperature", draw({.temperature = 1e-30f, .seed = 7}, kLogits), {0, 1, 0, 0});
}

void ties_go_to_the_lowest_ids() {
  check_counts("top-k 2 of equals", draw({.temperature = 1, .top_k = 2, .seed = 8}, {1, 1, 1, 1}), {0.5, 0.5, 0, 0});
}

void impossible_tokens_never_come() {
  const float none = -HUGE_VALF;
  check_counts("minus infinity", draw({.temperature = 1, .seed = 9}, {none, 0, none, 0, none}), {0, 0.5, 0, 0.5, 0});
}

void the_log_probability_is_before_temperature() {
  const Choice choice = choose(kLogits, {.temperature = 0.1f, .top_k = 1}, 0);
  CHECK_EQ(choice.id, 1);
  CHECK(std::fabs(choice.log_prob - std::log(0.4f)) < 1e-6f);
}

// The figures are those of transformers' RepetitionPenaltyLogitsProcessor, and of OpenAI's formula for what is added.
void adjustments_change_the_choice_and_not_the_log_probability() {
  const std::vector<float> logits = {2, -1, 1.5f, 0.25f};
  const auto best = [&](const std::vector<Adjustment>& adjustments) { return choose(logits, {}, 0, adjustments); };
  const float log_sum = std::log(std::exp(2.0f) + std::exp(-1.0f) + std::exp(1.5f) + std::exp(0.25f));
  const auto check_best = [&](const std::vector<Adjustment>& adjustments, int32_t id) {
    const Choice choice = best(adjustments);
    CHECK_EQ(choice.id, id);
    CHECK(std::fabs(choice.log_prob - (logits[id] - log_sum)) < 1e-6f);
  };
  check_best({}, 0);
  check_best({{0, 1.3f, 0}}, 0);    // 1.54
  check_best({{0, 1.4f, 0}}, 2);    // 1.43
  check_best({{0, 1, -0.75f}}, 2);  // 1.25
  check_best({{0, 1, -HUGE_VALF}, {2, 1, -HUGE_VALF}}, 3);
  check_best({{1, 0.5f, 2.75f}}, 1);  // -1 * 0.5 + 2.75 = 2.25
  check_best({{1, 2, 3.75f}}, 0);     // -1 * 2 + 3.75 = 1.75
  check_best({{1, 1, 3}}, 0);         // 2, as token 0 has: the first of equals
  // Halved, two of the logits are 1 and 0.75; with temperature 1 they weigh as e^1 and e^0.75 do.
  const std::vector<Adjustment> halved = {{0, 2, 0}, {1, 1, -HUGE_VALF}, {2, 2, 0}, {3, 1, -HUGE_VALF}};
  std::map<int32_t, int> counts;
  for (uint64_t step = 0; step < kDraws; step++)
    counts[choose(logits, {.temperature = 1}, random_bits(14, 3, step), halved).id]++;
  const double first = 1 / (1 + std::exp(-0.25));
  check_counts("adjusted", counts, {first, 0, 1 - first, 0});
  const Choice none =
      choose(std::vector<float>{HUGE_VALF}, {.temperature = 1}, 5, std::vector<Adjustment>{{0, 1, -HUGE_VALF}});
  CHECK_EQ(none.id, 0);
  CHECK(std::isnan(none.log_prob));
}

void a_mask_leaves_the_choice_among_its_tokens() {
  const std::vector<float> logits = {2, -1, 1.5f, 0.25f};
  const auto masked = [&](uint32_t mask, const Sampling& sampling, const std::vector<Adjustment>& adjustments = {}) {
    return choose(logits, sampling, UINT64_MAX / 2, adjustments, {&mask, 1});
  };
  const float log_sum = std::log(std::exp(2.0f) + std::exp(-1.0f) + std::exp(1.5f) + std::exp(0.25f));
  for (const uint32_t mask : {0b1110u, 0xfffffffeu})
    for (const Sampling& sampling : {Sampling{}, Sampling{.temperature = 1, .top_k = 1}}) {
      const Choice choice = masked(mask, sampling);
      CHECK_EQ(choice.id, 2);
      CHECK(std::fabs(choice.log_prob - (1.5f - log_sum)) < 1e-6f);
    }
  // A filter that keeps more tokens than the mask has keeps those alone, however unlikely the model says they are.
  for (const Sampling& sampling : {Sampling{.temperature = 1, .top_k = 3}, Sampling{.temperature = 2, .top_p = 0.5f},
                                   Sampling{.temperature = 0.1f, .min_p = 1}})
    CHECK_EQ(masked(0b0010, sampling).id, 1);
  CHECK_EQ(masked(0b1010, {}, {{1, 1, 2}}).id, 1);
  CHECK_EQ(masked(0b1010, {}, {{3, 1, -HUGE_VALF}}).id, 1);
  const Choice none = masked(0, {.temperature = 1});
  CHECK_EQ(none.id, 0);
  CHECK(std::isnan(none.log_prob));
}

void a_mask_has_a_token_of_the_vocabulary() {
  const auto fits = [](const std::vector<uint32_t>& mask, int vocab) {
    try {
      check_mask(mask, vocab);
      return true;
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::INVALID_ARGUMENT);
      return false;
    }
  };
  CHECK(fits({1}, 1) && fits({0x80000000u}, 32) && fits({0, 1}, 33) && fits({0, 0x40}, 39));
  CHECK(!fits({}, 1) && !fits({1, 1}, 32) && !fits({1}, 33));
  CHECK(!fits({0}, 32) && !fits({2}, 1) && !fits({0, 0x80}, 39) && !fits({0, 0xfffffffeu}, 33));
}

// Sums of weights, best first: 0.4, 0.7, 0.9, 1; in order of ids: 0.2, 0.6, 0.7, 1.
void a_draw_walks_the_kept_tokens_by_id() {
  const auto id = [](double uniform, float top_p) {
    const auto random = static_cast<uint64_t>(uniform * 0x1p64);
    return choose(kLogits, {.temperature = 1, .top_p = top_p}, random).id;
  };
  CHECK_EQ(id(0, 1), 0);
  CHECK_EQ(id(0.199, 1), 0);
  CHECK_EQ(id(0.201, 1), 1);
  CHECK_EQ(id(0.599, 1), 1);
  CHECK_EQ(id(0.601, 1), 2);
  CHECK_EQ(id(0.701, 1), 3);
  CHECK_EQ(choose(kLogits, {.temperature = 1}, UINT64_MAX).id, 3);
  CHECK_EQ(id(0, 0.69f), 1);
  CHECK_EQ(id(0.57, 0.69f), 1);
  CHECK_EQ(id(0.58, 0.69f), 3);
}

void logits_that_are_no_numbers() {
  const Choice none = choose(std::vector<float>{NAN, NAN}, {.temperature = 1}, 5);
  CHECK_EQ(none.id, 0);
  CHECK(std::isnan(none.log_prob));
  for (const float top_p : {0.5f, 1.0f}) {
    check_counts("NaN", draw({.temperature = 1, .top_p = top_p, .seed = 9}, {NAN, 1, NAN}), {0, 1, 0});
    check_counts("infinity", draw({.temperature = 1, .top_p = top_p, .seed = 9}, {1, HUGE_VALF, NAN}), {0, 1, 0});
  }
}

double uniform(uint64_t seed, uint64_t stream, uint64_t step) {
  return static_cast<double>(random_bits(seed, stream, step)) * 0x1p-64;
}

void draws_depend_on_their_counter_alone() {
  CHECK_EQ(uniform(1, 2, 3), uniform(1, 2, 3));
  CHECK(uniform(1, 2, 3) != uniform(2, 2, 3));
  CHECK(uniform(1, 2, 3) != uniform(1, 3, 3));
  CHECK(uniform(1, 2, 3) != uniform(1, 2, 4));
  double sum = 0, squares = 0, products = 0;
  for (uint64_t i = 0; i < kDraws; i++) {
    const double u = uniform(7, 0, i), v = uniform(7, 1, i);
    CHECK(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
    products += u * v;
  }
  CHECK(std::fabs(sum / kDraws - 1 / 2.0) < 0.01);
  CHECK(std::fabs(squares / kDraws - 1 / 3.0) < 0.01);
  CHECK(std::fabs(products / kDraws - 1 / 4.0) < 0.01);
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::frequencies();
  mt::test::ties_go_to_the_lowest_ids();
  mt::test::impossible_tokens_never_come();
  mt::test::the_log_probability_is_before_temperature();
  mt::test::adjustments_change_the_choice_and_not_the_log_probability();
  mt::test::a_mask_leaves_the_choice_among_its_tokens();
  mt::test::a_mask_has_a_token_of_the_vocabulary();
  mt::test::a_draw_walks_the_kept_tokens_by_id();
  mt::test::logits_that_are_no_numbers();
  mt::test::draws_depend_on_their_counter_alone();
  return mt::test::finish("base_sampling");
}
