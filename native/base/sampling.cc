// Top-k and top-p keep few tokens of a large vocabulary, so they are found without sorting all of it.
#include "sampling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "error.h"

namespace mt {
namespace {

uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t multiply_high(uint64_t a, uint64_t b) {
  const uint64_t a1 = a >> 32, a0 = a & 0xffffffff, b1 = b >> 32, b0 = b & 0xffffffff;
  const uint64_t middle = (a0 * b0 >> 32) + (a1 * b0 & 0xffffffff) + a0 * b1;
  return a1 * b1 + (a1 * b0 >> 32) + (middle >> 32);
}

float adjusted(float logit, const Adjustment& adjustment) {
  return (logit < 0 ? logit * adjustment.penalty : logit / adjustment.penalty) + adjustment.addend;
}

uint64_t weight_of(float logit, float largest, float temperature) {
  if (logit == largest) return uint64_t{1} << 40;  // for infinities the difference below would be NaN
  const float weight = std::exp((logit - largest) / temperature) * 0x1p40f;
  return weight >= 1 ? static_cast<uint64_t>(weight) : 0;
}

// Returns a number whose order is that of the logits; NaN comes before all of them.
uint32_t key_of(float logit) {
  if (logit != logit) return 0;
  const auto bits = std::bit_cast<uint32_t>(logit + 0.0f);  // the sum turns -0 into 0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

bool better(const TokenWeight& a, const TokenWeight& b) { return a.key != b.key ? a.key > b.key : a.id < b.id; }

uint64_t sum_of(std::span<const TokenWeight> tokens) {
  uint64_t sum = 0;
  for (const TokenWeight& token : tokens) sum += token.weight;
  return sum;
}

// Returns as few tokens as possible, best first, so that their weights reach `min_sum`.
std::span<TokenWeight> keep_best(std::span<TokenWeight> tokens, uint64_t min_sum) {
  const auto worse = [](const TokenWeight& a, const TokenWeight& b) { return better(b, a); };
  auto end = tokens.end();
  std::make_heap(tokens.begin(), end, worse);
  for (uint64_t sum = 0; sum < min_sum && end != tokens.begin();) {
    std::pop_heap(tokens.begin(), end, worse);
    sum += (--end)->weight;
  }
  return {end, tokens.end()};
}

}  // namespace

void check_sampling(const Sampling& sampling) {
  const auto fail = [](const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); };
  if (!(sampling.temperature >= 0) || !std::isfinite(sampling.temperature)) {
    fail("temperature is " + std::to_string(sampling.temperature) + ", expected a number of 0 or more");
  }
  if (sampling.top_k < 0) fail("topK is " + std::to_string(sampling.top_k) + ", expected 0 or more");
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    fail("topP is " + std::to_string(sampling.top_p) + ", expected more than 0 and at most 1");
  }
  if (!(sampling.min_p >= 0 && sampling.min_p <= 1)) {
    fail("minP is " + std::to_string(sampling.min_p) + ", expected 0 to 1");
  }
}

void check_adjustments(std::span<const Adjustment> adjustments, int vocab) {
  int64_t before = -1;
  for (const auto& [id, penalty, addend] : adjustments) {
    const auto fail = [id = id](ErrorCode code, const std::string& message) {
      throw Error(code, "the adjustment of token " + std::to_string(id) + message);
    };
    if (id < 0 || id >= vocab) {
      fail(ErrorCode::TOKEN_OUT_OF_RANGE, ": the vocabulary has " + std::to_string(vocab) + " tokens");
    }
    if (id <= before) {
      fail(ErrorCode::INVALID_ARGUMENT, " comes after that of " + std::to_string(before) + ", expected ascending ids");
    }
    if (!(penalty > 0) || !std::isfinite(penalty)) {
      fail(ErrorCode::INVALID_ARGUMENT, " has the penalty " + std::to_string(penalty) + ", expected more than 0");
    }
    if (!(addend < HUGE_VALF)) {
      fail(ErrorCode::INVALID_ARGUMENT,
           " has the addend " + std::to_string(addend) + ", expected a number or minus infinity");
    }
    before = id;
  }
}

void check_mask(std::span<const uint32_t> mask, int vocab) {
  const auto fail = [](const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); };
  if (mask.size() != mask_words(vocab)) {
    fail("a mask has " + std::to_string(mask.size()) + " words, expected " + std::to_string(mask_words(vocab)));
  }
  for (size_t i = 0; i < mask.size(); i++) {
    const int ids = vocab - static_cast<int>(i) * 32;
    if ((ids < 32 ? mask[i] << (32 - ids) : mask[i]) != 0) return;
  }
  fail("a mask lets no token be drawn");
}

uint64_t least_weight(const Sampling& sampling) {
  return static_cast<uint64_t>(std::ceil(double{sampling.min_p} * 0x1p40));
}

uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t step) { return mix(mix(mix(seed) ^ stream) ^ step); }

Choice choose_token(std::span<const float> logits, const Draw& draw, const LogitChanges& changes,
                    std::span<TokenWeight> scratch) {
  const Sampling& sampling = draw.sampling;
  const auto own = changes.adjustments.subspan(draw.adjustments_begin, draw.adjustments_end - draw.adjustments_begin);
  const uint32_t* mask = draw.mask < 0 ? nullptr : &changes.masks[draw.mask * mask_words(int(logits.size()))];
  // Calls visit(id, logit, the logit as it is adjusted) for all tokens.
  const auto for_all = [&](const auto& visit) {
    auto next = own.begin();
    for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); id++) {
      const bool is_adjusted = next != own.end() && next->id == id;
      const float changed = is_adjusted ? adjusted(logits[id], *next++) : logits[id];
      const bool may_come = mask == nullptr || (mask[id / 32] >> id % 32 & 1) != 0;
      visit(id, logits[id], may_come ? changed : NAN);
    }
  };
  float largest = -HUGE_VALF, largest_adjusted = -HUGE_VALF;
  for_all([&](int32_t, float logit, float changed) {
    largest = logit > largest ? logit : largest;
    largest_adjusted = changed > largest_adjusted ? changed : largest_adjusted;
  });
  uint64_t total = 0;  // sum of the weights at temperature 1, without adjustments
  uint64_t sum = 0;    // sum of the weights
  for_all([&](int32_t id, float logit, float changed) {
    total += weight_of(logit, largest, 1);
    const uint64_t weight = weight_of(changed, largest_adjusted, sampling.temperature);
    sum += weight;
    scratch[id] = {id, key_of(changed), weight};
  });
  if (total == 0 || sum == 0) return {0, NAN};
  std::span<TokenWeight> kept = scratch.first(logits.size());
  const auto count = static_cast<size_t>(sampling.top_k);
  if (count > 0 && count < kept.size()) {
    std::nth_element(kept.begin(), kept.begin() + static_cast<ptrdiff_t>(count), kept.end(), better);
    kept = kept.first(count);
  }
  if (sampling.top_p < 1) {
    const double min_sum = double{sampling.top_p} * static_cast<double>(sum_of(kept));
    kept = keep_best(kept, static_cast<uint64_t>(std::ceil(min_sum)));
  }
  if (sampling.min_p > 0) {
    const uint64_t least = least_weight(sampling);
    const auto light =
        std::partition(kept.begin(), kept.end(), [&](const TokenWeight& t) { return t.weight >= least; });
    kept = kept.first(light - kept.begin());
  }
  const auto by_id = [](const TokenWeight& a, const TokenWeight& b) { return a.id < b.id; };
  // Where nothing was left out, all tokens of the vocabulary are in order already.
  if (!std::is_sorted(kept.begin(), kept.end(), by_id)) std::sort(kept.begin(), kept.end(), by_id);
  uint64_t remaining = multiply_high(draw.random, sum_of(kept));
  auto chosen = kept.begin();
  for (; remaining >= chosen->weight; ++chosen) remaining -= chosen->weight;
  const float log_total = std::log(static_cast<float>(total) * 0x1p-40f);
  return {chosen->id, logits[chosen->id] - largest - log_total};
}

}  // namespace mt
