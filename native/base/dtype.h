// The number formats a packed weight can have, and their conversions to and from float32.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mt {

enum class DType : uint8_t { kFloat32, kBFloat16, kFloat16 };

constexpr size_t dtype_size(DType t) { return t == DType::kFloat32 ? 4 : 2; }

constexpr std::string_view dtype_name(DType t) {
  return t == DType::kFloat32 ? "float32" : t == DType::kBFloat16 ? "bfloat16" : "float16";
}

inline float bf16_to_f32(uint16_t h) { return std::bit_cast<float>(uint32_t{h} << 16); }

// Rounds to nearest, ties to even; a NaN stays a NaN.
inline uint16_t f32_to_bf16(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40);
  return static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// Exact. It has no branches, so that loops over it are vectorised, and avoids float32 subnormals, which are slow.
inline float f16_to_f32(uint16_t h) {
  const uint32_t magnitude = h & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + 0x38000000u;  // changes the exponent's bias from 15 to 127
  // A subnormal is magnitude * 2^-24, and 2^-24 is the last place of numbers from 0.5 on.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(0x3f000000u | magnitude) - 0.5f);
  const uint32_t is_subnormal = 0u - (magnitude < 0x400u);  // masks, because a choice would become a branch
  const uint32_t is_special = 0u - (magnitude >= 0x7c00u);  // infinities and NaNs
  const uint32_t finite = (subnormal & is_subnormal) | (normal & ~is_subnormal);
  return std::bit_cast<float>(uint32_t{h & 0x8000u} << 16 | finite | (is_special & 0x7f800000u));
}

// Rounds to nearest, ties to even; past 65504 it becomes an infinity. A NaN stays a NaN.
inline uint16_t f32_to_f16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000u) >> 13;
  // Below 2^-14 a float16 is a multiple of 2^-24, which is the last place of numbers from 0.5 on, so the sum rounds.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half;  // 65520 and above round to infinity
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  return static_cast<uint16_t>(half | ((bits >> 16) & 0x8000u));
}

}  // namespace mt
