// A decoder unpacks the quants of a block as bytes, then scales them: plain loops of constant length, which compilers
// vectorise.
#include "blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../base/dtype.h"

namespace mt {
namespace {

// The values that four bits stand for in IQ4_NL and IQ4_XS: closer to each other near 0, as weights are.
constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

uint16_t read_u16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

float read_f16(const uint8_t* bytes) { return f16_to_f32(read_u16(bytes)); }

// __restrict, here and below: bytes and floats do not overlap, which a compiler cannot know of bytes.
template <int n>
void scale(float d, const int8_t* __restrict q, float* __restrict out) {
  for (int i = 0; i < n; i++) out[i] = d * static_cast<float>(q[i]);
}

template <int n>
void scale_and_add(float d, float m, const int8_t* __restrict q, float* __restrict out) {
  for (int i = 0; i < n; i++) out[i] = d * static_cast<float>(q[i]) + m;
}

// n bytes are 2 n quants of four bits: low nibbles, then high nibbles.
template <int n>
void unpack_nibbles(const uint8_t* __restrict bytes, int8_t* __restrict q) {
  for (int i = 0; i < n; i++) {
    q[i] = static_cast<int8_t>(bytes[i] & 15);
    q[i + n] = static_cast<int8_t>(bytes[i] >> 4);
  }
}

// n bytes are 4 n quants of two bits: the lowest two bits of all bytes, then the next two.
template <int n>
void unpack_pairs(const uint8_t* __restrict bytes, int8_t* __restrict q) {
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < n; i++) q[n * j + i] = static_cast<int8_t>(bytes[i] >> (2 * j) & 3);
}

// Adds one bit, times `weight`, to each of 256 quants: bit j of byte i belongs to quant 32 j + i.
void add_bits(const uint8_t* __restrict bits, int weight, int8_t* __restrict q) {
  for (int j = 0; j < 8; j++)
    for (int i = 0; i < 32; i++) q[32 * j + i] = static_cast<int8_t>(q[32 * j + i] + weight * (bits[i] >> j & 1));
}

template <int n>
void add(int number, int8_t* q) {
  for (int i = 0; i < n; i++) q[i] = static_cast<int8_t>(q[i] + number);
}

// The 32 quants of five bits of Q5_0 and Q5_1.
void unpack_fives(const uint8_t* __restrict high, const uint8_t* __restrict nibbles, int8_t* __restrict q) {
  constexpr uint8_t kBits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  unpack_nibbles<16>(nibbles, q);
  for (int j = 0; j < 4; j++)
    for (int i = 0; i < 8; i++) q[8 * j + i] = static_cast<int8_t>(q[8 * j + i] + ((high[j] & kBits[i]) != 0) * 16);
}

// The 6-bit scales and minima of the 8 groups of Q4_K and Q5_K.
struct ScalesAndMinima {
  uint8_t scale[8], minimum[8];
};

ScalesAndMinima unpack_scales(const uint8_t* bytes) {
  ScalesAndMinima unpacked;
  for (int g = 0; g < 4; g++) {
    const uint8_t a = bytes[g], b = bytes[4 + g], c = bytes[8 + g];
    unpacked.scale[g] = a & 63;
    unpacked.minimum[g] = b & 63;
    unpacked.scale[4 + g] = static_cast<uint8_t>((c & 15) | (a >> 6) << 4);
    unpacked.minimum[4 + g] = static_cast<uint8_t>(c >> 4 | (b >> 6) << 4);
  }
  return unpacked;
}

// The values of Q4_K and Q5_K from the header of a block and 256 quants.
void scale_groups(const uint8_t* block, const int8_t* q, float* out) {
  const float d = read_f16(block), dmin = read_f16(block + 2);
  const ScalesAndMinima groups = unpack_scales(block + 4);
  for (int g = 0; g < 8; g++) {
    const float group_scale = d * static_cast<float>(groups.scale[g]);
    const float minimum = dmin * static_cast<float>(groups.minimum[g]);
    scale_and_add<32>(group_scale, -minimum, q + 32 * g, out + 32 * g);
  }
}

// To the nearest whole number, halves away from 0, as std::lround, which is no loop that is vectorised. The rest is
// exact. What no quant can be, as a NaN, becomes 0: a cast of it would be undefined.
int rounded(float value) {
  const float quant = std::fabs(value) < 128 ? value : 0;
  const int whole = static_cast<int>(quant);
  const float rest = quant - static_cast<float>(whole);
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void look_up(const uint8_t* nibbles, int8_t* q) {
  unpack_nibbles<16>(nibbles, q);
  for (int i = 0; i < 32; i++) q[i] = kLevels[q[i]];
}

}  // namespace

void decode_q8_0(const uint8_t* block, float* out) {
  int8_t q[32];
  std::memcpy(q, block + 2, 32);
  scale<32>(read_f16(block), q, out);
}

void decode_q4_0(const uint8_t* block, float* out) {
  int8_t q[32];
  unpack_nibbles<16>(block + 2, q);
  add<32>(-8, q);
  scale<32>(read_f16(block), q, out);
}

void decode_q4_1(const uint8_t* block, float* out) {
  int8_t q[32];
  unpack_nibbles<16>(block + 4, q);
  scale_and_add<32>(read_f16(block), read_f16(block + 2), q, out);
}

void decode_q5_0(const uint8_t* block, float* out) {
  int8_t q[32];
  unpack_fives(block + 2, block + 6, q);
  add<32>(-16, q);
  scale<32>(read_f16(block), q, out);
}

void decode_q5_1(const uint8_t* block, float* out) {
  int8_t q[32];
  unpack_fives(block + 4, block + 8, q);
  scale_and_add<32>(read_f16(block), read_f16(block + 2), q, out);
}

void decode_iq4_nl(const uint8_t* block, float* out) {
  int8_t q[32];
  look_up(block + 2, q);
  scale<32>(read_f16(block), q, out);
}

void decode_q2_k(const uint8_t* block, float* out) {
  const uint8_t *groups = block, *low = block + 16;
  const float d = read_f16(block + 80), dmin = read_f16(block + 82);
  int8_t q[256];
  for (int half = 0; half < 2; half++) unpack_pairs<32>(low + 32 * half, q + 128 * half);
  for (int g = 0; g < 16; g++) {
    const float group_scale = d * static_cast<float>(groups[g] & 15);
    const float minimum = dmin * static_cast<float>(groups[g] >> 4);
    scale_and_add<16>(group_scale, -minimum, q + 16 * g, out + 16 * g);
  }
}

void decode_q3_k(const uint8_t* block, float* out) {
  const uint8_t *high = block, *low = block + 32, *groups = block + 96;
  const float d = read_f16(block + 108);
  int8_t q[256], scales[16], scales_high[16];
  for (int half = 0; half < 2; half++) unpack_pairs<32>(low + 32 * half, q + 128 * half);
  add_bits(high, 4, q);
  add<256>(-4, q);
  unpack_nibbles<8>(groups, scales);
  unpack_pairs<4>(groups + 8, scales_high);
  for (int g = 0; g < 16; g++) {
    const int group = scales[g] + 16 * scales_high[g] - 32;
    scale<16>(d * static_cast<float>(group), q + 16 * g, out + 16 * g);
  }
}

void decode_q4_k(const uint8_t* block, float* out) {
  int8_t q[256];
  for (int part = 0; part < 4; part++) unpack_nibbles<32>(block + 16 + 32 * part, q + 64 * part);
  scale_groups(block, q, out);
}

void decode_q5_k(const uint8_t* block, float* out) {
  int8_t q[256];
  for (int part = 0; part < 4; part++) unpack_nibbles<32>(block + 48 + 32 * part, q + 64 * part);
  add_bits(block + 16, 16, q);
  scale_groups(block, q, out);
}

void decode_q6_k(const uint8_t* block, float* out) {
  const uint8_t *low = block, *high = block + 128, *groups = block + 192;
  const float d = read_f16(block + 208);
  int8_t q[256], q_high[256];
  for (int half = 0; half < 2; half++) {
    unpack_nibbles<64>(low + 64 * half, q + 128 * half);
    unpack_pairs<32>(high + 32 * half, q_high + 128 * half);
  }
  for (int i = 0; i < 256; i++) q[i] = static_cast<int8_t>(q[i] + 16 * q_high[i] - 32);
  for (int g = 0; g < 16; g++) {
    scale<16>(d * static_cast<float>(static_cast<int8_t>(groups[g])), q + 16 * g, out + 16 * g);
  }
}

void decode_iq4_xs(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  const uint16_t high = read_u16(block + 2);
  for (int g = 0; g < 8; g++) {
    int8_t q[32];
    look_up(block + 8 + 16 * g, q);
    const int group = (block[4 + g / 2] >> g % 2 * 4 & 15) + 16 * (high >> 2 * g & 3) - 32;
    scale<32>(d * static_cast<float>(group), q, out + 32 * g);
  }
}

void encode_q8_0(const float* values, uint8_t* block) {
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = std::max(largest, std::fabs(values[i]));
  const float d = largest / 127, inverse = 1 / d;
  const uint16_t stored = f32_to_f16(d);
  std::memcpy(block, &stored, sizeof(stored));
  if (!std::isfinite(inverse)) {
    std::memset(block + 2, 0, 32);
    return;
  }
  for (int i = 0; i < 32; i++) block[2 + i] = static_cast<uint8_t>(rounded(values[i] * inverse));
}

}  // namespace mt
