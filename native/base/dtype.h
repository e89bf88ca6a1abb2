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

float f16_to_f32(uint16_t h);
// Rounds to nearest, ties to even; past 65504 it becomes an infinity.
uint16_t f32_to_f16(float f);

}  // namespace mt
