// Sums run in a fixed order in double, so a choice depends on the logits and the counter alone.
#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "../base/error.h"

namespace mt {
namespace {

uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
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
}

double uniform(uint64_t seed, uint64_t stream, uint64_t step) {
  return static_cast<double>(mix(mix(mix(seed) ^ stream) ^ step) >> 11) * 0x1p-53;
}

Choice Sampler::choose(std::span<const float> logits, uint64_t stream, uint64_t step) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); i++) {
    total += std::exp(logits[i] - largest);
    candidates_.push_back({static_cast<int32_t>(i), std::exp((logits[i] - largest) / sampling_.temperature)});
  }
  double left = keep_best() * uniform(sampling_.seed, stream, step);
  // The last one stands where rounding leaves the sum short of the draw.
  auto chosen = candidates_.begin();
  for (auto c = candidates_.begin(); c != candidates_.end(); ++c) {
    if (c->weight == 0) continue;
    chosen = c;
    left -= c->weight;
    if (left < 0) break;
  }
  return {chosen->id, static_cast<float>(logits[chosen->id] - largest - std::log(total))};
}

double Sampler::keep_best() {
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  const size_t most = sampling_.top_k == 0 ? candidates_.size() : static_cast<size_t>(sampling_.top_k);
  if (most >= candidates_.size() && sampling_.top_p == 1) return total;

  // A heap, because few of a large vocabulary are kept: linear time and a logarithm for each that is.
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.id > b.id;
  };
  const auto keep = [&](size_t count, double enough) {
    double sum = 0;
    auto end = candidates_.end();
    std::make_heap(candidates_.begin(), end, worse);
    for (size_t kept = 0; kept < count && end != candidates_.begin() && (kept == 0 || sum < enough); kept++) {
      std::pop_heap(candidates_.begin(), end, worse);
      sum += (--end)->weight;
    }
    candidates_.erase(candidates_.begin(), end);
    std::reverse(candidates_.begin(), candidates_.end());  // best first
    return sum;
  };
  if (most < candidates_.size()) total = keep(most, HUGE_VAL);
  return sampling_.top_p == 1 ? total : keep(candidates_.size(), sampling_.top_p * total);
}

}  // namespace mt
