// Random numbers for benchmarks and tests. A seed gives the same numbers on every machine.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../base/dtype.h"

namespace mt::check {

// SplitMix64 (Steele et al. 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  // A number in -1 .. 1.
  float value() { return static_cast<float>(static_cast<int64_t>(next()) >> 39) * 0x1p-24f; }

 private:
  uint64_t state_;
};

inline float round_to(float x, DType t) {
  return t == DType::kFloat32 ? x : t == DType::kBFloat16 ? bf16_to_f32(f32_to_bf16(x)) : f16_to_f32(f32_to_f16(x));
}

// n random numbers in -scale .. scale, rounded to t.
inline std::vector<float> random(size_t n, uint64_t seed, float scale, DType t = DType::kFloat32) {
  Random source(seed);
  std::vector<float> x(n);
  for (float& f : x) f = round_to(source.value() * scale, t);
  return x;
}

}  // namespace mt::check
