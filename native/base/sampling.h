// Choosing the next token from logits: adjustments of some, a mask of those that may come, temperature, then top-k,
// top-p and min-p, by a counter-based generator.
#pragma once
#include <cstddef>
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

// Changes the logit x of a token before it is drawn: (x < 0 ? x * penalty : x / penalty) + addend. The penalty is that
// of repetitions (Keskar et al. 2019); an addend of minus infinity bans the token.
struct Adjustment {
  int32_t id = 0;
  float penalty = 1;
  float addend = 0;
};

// The words of a mask over a vocabulary. A token may be drawn if bit id % 32 of word id / 32 is set; bits after those
// of the vocabulary say nothing.
inline constexpr size_t mask_words(int vocab) { return (static_cast<size_t>(vocab) + 31) / 32; }

// Changes of logits, of which draws name those of their rows.
struct LogitChanges {
  std::span<const Adjustment> adjustments = {};
  std::span<const uint32_t> masks = {};  // [masks, mask_words(vocab)]
};

// How a row's token is drawn.
struct Draw {
  Sampling sampling = {};
  uint64_t random = 0;  // the bits that decide
  // Which adjustments are the row's. Their ids ascend.
  int32_t adjustments_begin = 0, adjustments_end = 0;
  int32_t mask = -1;  // which mask is the row's; -1: none, all tokens may be drawn
};

// A token that choose_token() may draw, and what it orders and weighs it by.
struct TokenWeight {
  int32_t id;
  uint32_t key;  // keys have the order of the logits
  uint64_t weight;
};

struct Choice {
  int32_t id = 0;
  float log_prob = 0;  // log-softmax of the logits as they are, before adjustments and temperature
};

// What min-p asks of a token's weight.
uint64_t least_weight(const Sampling& sampling);

// Throws INVALID_ARGUMENT naming the field.
void check_sampling(const Sampling& sampling);

// Throws INVALID_ARGUMENT unless ids ascend, penalties are finite and above 0, and addends are finite or minus
// infinity; TOKEN_OUT_OF_RANGE for an id that is none of the vocabulary's.
void check_adjustments(std::span<const Adjustment> adjustments, int vocab);

// Throws INVALID_ARGUMENT unless the mask has words for the vocabulary, and lets a token of it be drawn.
void check_mask(std::span<const uint32_t> mask, int vocab);

// 64 random bits that depend on nothing but the arguments (SplitMix64, Steele et al. 2014, over the three).
uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t step);

// Returns the token that draw.random picks. `scratch` must be as long as `logits`. The function allocates nothing, so
// tasks of a parallel loop may call it.
//   adjusted[i] = logit[i], changed by its adjustment if draw's part of the adjustments has one; NaN if draw's mask
//   does not have the token weight[i] = floor(2^40 exp((adjusted[i] - largest adjusted) / temperature)), 0 for NaN:
//   whole numbers, because their sums are the same in any order, on any device; at temperature 0 the best tokens alone
//   have a weight top-k keeps the k largest adjusted logits and, of equal ones, the lowest ids; top-p keeps as few of
//   those as possible, best first, so that their weights reach ceil(p * sum of the weights that top-k keeps); min-p
//   keeps those of them that weigh ceil(p * 2^40) or more (Nguyen et al. 2024) id is the lowest id at which the running
//   sum of the kept weights, in order of ids, exceeds floor(random / 2^64 * sum of all kept weights) log_prob =
//   logit[id] - largest - log(2^-40 sum of floor(2^40 exp(logit[i] - largest)))
// If no logit is a number, before or after the changes, the result is id 0 and NaN.
Choice choose_token(std::span<const float> logits, const Draw& draw, const LogitChanges& changes,
                    std::span<TokenWeight> scratch);

}  // namespace mt
