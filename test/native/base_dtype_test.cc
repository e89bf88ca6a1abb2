// float16 and bfloat16 conversions against the compiler's own arithmetic, over every 16-bit pattern and around every
// rounding.
#include <cmath>
#include <limits>

#include "../../native/base/dtype.h"
#include "check.h"

namespace mt::test {
namespace {

// The value of a float16 by its definition.
double value_of_f16(uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

void every_finite_half_is_exact_and_comes_back() {
  for (uint32_t h = 0; h < 0x10000; h++) {
    if (((h >> 10) & 31) == 31) continue;
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    CHECK_EQ(static_cast<double>(f), value_of_f16(static_cast<uint16_t>(h)));
    CHECK_EQ(std::signbit(f), (h & 0x8000) != 0);
    CHECK_EQ(f32_to_f16(f), h);
  }
}

// Numbers below the middle of two neighbours round to the lower one, those above it to the upper one, and the middle
// itself to the even one.
void halves_round_to_nearest_even() {
  for (uint32_t h = 0; h < 0x7bff; h++) {
    const double low = value_of_f16(static_cast<uint16_t>(h)), high = value_of_f16(static_cast<uint16_t>(h + 1));
    const float middle = static_cast<float>((low + high) / 2);  // exact, as it has one bit more than a float16
    CHECK_EQ(f32_to_f16(middle), h % 2 == 0 ? h : h + 1);
    CHECK_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), h);
    CHECK_EQ(f32_to_f16(std::nextafter(middle, 1e30f)), h + 1);
    CHECK_EQ(f32_to_f16(-middle), (h % 2 == 0 ? h : h + 1) | 0x8000);
  }
}

void the_ends_of_the_range() {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK_EQ(f32_to_f16(65504.0f), 0x7bff);
  CHECK_EQ(f32_to_f16(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  CHECK_EQ(f32_to_f16(65520.0f), 0x7c00);
  CHECK_EQ(f32_to_f16(-infinity), 0xfc00);
  CHECK_EQ(f16_to_f32(0x7c00), infinity);
  CHECK(std::isnan(f16_to_f32(0x7e01)));
  CHECK(std::isnan(f16_to_f32(f32_to_f16(std::nanf("")))));
  CHECK_EQ(f32_to_f16(0x1p-25f), 0);  // half of the smallest subnormal is a tie, which goes to even
  CHECK_EQ(f32_to_f16(std::nextafter(0x1p-25f, 1.0f)), 1);
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  CHECK_EQ(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::max())), infinity);
}

void bfloat16_rounds_to_nearest_even() {
  for (uint32_t h = 0; h < 0x7f80; h++) {
    const uint32_t bits = h << 16;
    CHECK_EQ(f32_to_bf16(std::bit_cast<float>(bits)), h);
    CHECK_EQ(f32_to_bf16(std::bit_cast<float>(bits | 0x7fff)), h);
    CHECK_EQ(f32_to_bf16(std::bit_cast<float>(bits | 0x8000)), h % 2 == 0 ? h : h + 1);
    CHECK_EQ(f32_to_bf16(std::bit_cast<float>(bits | 0x8001)), h + 1);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::every_finite_half_is_exact_and_comes_back();
  mt::test::halves_round_to_nearest_even();
  mt::test::the_ends_of_the_range();
  mt::test::bfloat16_rounds_to_nearest_even();
  return mt::test::finish("base_dtype");
}
