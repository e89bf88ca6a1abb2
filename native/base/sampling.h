// Choosing the next token from logits: temperature, then top-k, then top-p, by a counter-based generator.
#pragma once
#include <cstdint>
#include <span>

namespace mt {

struct Sampling {
  float temperature = 0;  // 0 is greedy
  int top_k = 0;          // 0 is off
  float top_p = 1;        // 1 is off
  uint64_t seed = 0;
};

// A token that may be drawn, as choose_token() keeps it.
struct TokenWeight {
  int32_t id;
  uint32_t key;  // orders as the logits do
  uint64_t weight;
};

struct Choice {
  int32_t id = 0;
  float log_prob = 0;  // log-softmax of the logits as they are, before temperature
};

// Throws INVALID_ARGUMENT naming the field.
void check_sampling(const Sampling& sampling);

// 64 random bits that depend on nothing but the arguments (SplitMix64, Steele et al. 2014, over the three).
uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t step);

// The token that `random` picks; not for temperature 0. `scratch` is as long as `logits`: tasks of a parallel loop may
// call it, where nothing is to be allocated.
//   weight[i] = floor(2^40 exp((logit[i] - largest) / temperature)), 0 for NaN: whole numbers, because their sums are
//   the same in any order, on any device
//   top-k keeps the k largest logits, ties to the lowest id; top-p the fewest of those, best first, whose weights reach
//   ceil(p * their sum)
//   id is the lowest whose kept weights up to it, in order of ids, exceed floor(random / 2^64 * the sum of them all)
//   log_prob = logit[id] - largest - log(2^-40 sum of floor(2^40 exp(logit[i] - largest)))
// Where no logit is a number, id 0 and NaN.
Choice choose_token(std::span<const float> logits, const Sampling& sampling, uint64_t random,
                    std::span<TokenWeight> scratch);

}  // namespace mt
