// Choosing the next token from logits: temperature, then top-k, then top-p, by a counter-based generator.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace mt {

struct Sampling {
  float temperature = 0;  // 0 is greedy
  int top_k = 0;          // 0 is off
  float top_p = 1;        // 1 is off
  uint64_t seed = 0;
};

struct Choice {
  int32_t id = 0;
  float log_prob = 0;  // log-softmax of the logits as they are, before temperature
};

// Throws INVALID_ARGUMENT naming the field.
void check_sampling(const Sampling& sampling);

// A number in [0, 1) that depends on nothing but its arguments (SplitMix64, Steele et al. 2014, over the three).
double uniform(uint64_t seed, uint64_t stream, uint64_t step);

class Sampler {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling) {}

  bool greedy() const { return sampling_.temperature == 0; }

  // The token that number `step` of `stream` picks. top-k keeps the k largest logits, ties to the lowest id; top-p the
  // fewest of those, best first, whose probabilities reach p. Not for greedy().
  Choice choose(std::span<const float> logits, uint64_t stream, uint64_t step);

 private:
  struct Candidate {
    int32_t id;
    float weight;  // exp((logit - largest) / temperature)
  };

  // Leaves the candidates that top-k and top-p keep, and returns the sum of their weights.
  double keep_best();

  Sampling sampling_;
  std::vector<Candidate> candidates_;
};

}  // namespace mt
