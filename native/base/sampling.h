// Choosing the next token from logits: temperature, then top-k, top-p and min-p, by a counter-based generator.
#pragma once
#include <cstdint>
#include <span>

namespace mt {

struct Sampling {
  float temperature = 0;  // 0 is greedy
  int top_k = 0;          // 0 is off
  float top_p = 1;        // 1 is off
  float min_p = 0;        // 0 is off
  uint64_t seed = 0;
};

// How a row's token is drawn.
struct Draw {
  Sampling sampling;
  uint64_t random = 0;  // the bits that decide
};

// A token that choose_token() may draw, and what it orders and weighs it by.
struct TokenWeight {
  int32_t id;
  uint32_t key;  // keys have the order of the logits
  uint64_t weight;
};

struct Choice {
  int32_t id = 0;
  float log_prob = 0;  // log-softmax of the logits as they are, before temperature
};

// What min-p asks of a token's weight.
uint64_t least_weight(const Sampling& sampling);

// Throws INVALID_ARGUMENT naming the field.
void check_sampling(const Sampling& sampling);

// 64 random bits that depend on nothing but the arguments (SplitMix64, Steele et al. 2014, over the three).
uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t step);

// Returns the token that draw.random picks; the temperature must not be 0. `scratch` must be as long as `logits`. The
// function allocates nothing, so tasks of a parallel loop may call it.
//   weight[i] = floor(2^40 exp((logit[i] - largest) / temperature)), 0 for NaN: whole numbers, because their sums are
//   the same in any order, on any device
//   top-k keeps the k largest logits and, of equal ones, the lowest ids; top-p keeps as few of those as possible, best
//   first, so that their weights reach ceil(p * sum of the weights that top-k keeps); min-p keeps those of them that
//   weigh ceil(p * 2^40) or more (Nguyen et al. 2024)
//   id is the lowest id at which the running sum of the kept weights, in order of ids, exceeds
//   floor(random / 2^64 * sum of all kept weights)
//   log_prob = logit[id] - largest - log(2^-40 sum of floor(2^40 exp(logit[i] - largest)))
// If no logit is a number, the result is id 0 and NaN.
Choice choose_token(std::span<const float> logits, const Draw& draw, std::span<TokenWeight> scratch);

}  // namespace mt
