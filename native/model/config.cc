// The limits keep every later product of two of these numbers from overflowing.
#include "config.h"

#include <cmath>
#include <string>

#include "../base/error.h"

namespace mt {
namespace {

// Far above any dimension of a LLaMA, and small enough that rows * columns * 4 bytes stays far below 2^63.
constexpr int64_t kMaxDimension = 1 << 24;

// Far above any LLaMA too, and few enough that their list of parameters takes little memory.
constexpr int64_t kMaxLayers = 1 << 14;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, "config: " + message); }

void check_dimension(const char* field, int64_t value, int64_t max = kMaxDimension) {
  if (value < 1 || value > max) {
    fail(std::string(field) + " is " + std::to_string(value) + ", expected 1 .. " + std::to_string(max));
  }
}

}  // namespace

void LlamaConfig::check_sizes() const {
  check_dimension("vocabSize", vocab_size);
  check_dimension("hiddenSize", hidden_size);
  check_dimension("intermediateSize", intermediate_size);
  check_dimension("layers", layers, kMaxLayers);
  check_dimension("heads", heads);
  check_dimension("kvHeads", kv_heads);
  check_dimension("headDim", head_dim);
  check_dimension("contextLength", context_length);
  check_dimension("heads * headDim", int64_t{heads} * head_dim);
  if (heads % kv_heads != 0) {
    fail("heads is " + std::to_string(heads) + ", expected a multiple of kvHeads, " + std::to_string(kv_heads));
  }
  if (head_dim % 2 != 0) fail("headDim is " + std::to_string(head_dim) + ", expected an even number");
}

void LlamaConfig::check() const {
  check_sizes();
  if (!windows.empty() && windows.size() != static_cast<size_t>(layers)) {
    fail("windows has " + std::to_string(windows.size()) +
         " numbers, expected none or layers = " + std::to_string(layers));
  }
  for (const int window : windows) check_dimension("a number of windows", window);
  if (rope_frequencies.size() != static_cast<size_t>(head_dim) / 2) {
    fail("ropeFrequencies has " + std::to_string(rope_frequencies.size()) +
         " numbers, expected headDim / 2 = " + std::to_string(head_dim / 2));
  }
  for (const float frequency : rope_frequencies) {
    if (!std::isfinite(frequency)) fail("ropeFrequencies holds a number that is not finite");
  }
  if (!std::isfinite(rope_attention_factor)) fail("ropeAttentionFactor is not finite");
  if (!(rms_norm_eps >= 0) || !std::isfinite(rms_norm_eps)) fail("rmsNormEps is not a number of 0 or more");
}

}  // namespace mt
