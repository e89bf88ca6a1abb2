// The table of formats. A row makes a format known to the loader, to the addon and to TypeScript.
#include "stored.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>

#include "../base/dtype.h"
#include "../base/error.h"
#include "blocks.h"

namespace mt {
namespace {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian");

// copy_n, because memcpy may not be given the null pointers that arrays of nothing have.
void copy_f32(const uint8_t* bytes, size_t values, float* out) {
  std::copy_n(bytes, values * sizeof(float), reinterpret_cast<uint8_t*>(out));
}

void store_f32(const float* values, size_t count, uint8_t* out) {
  std::copy_n(reinterpret_cast<const uint8_t*>(values), count * sizeof(float), out);
}

// __restrict lets the compiler vectorise the loops over halves.
template <float (*to_float)(uint16_t)>
void decode_halves(const uint8_t* __restrict bytes, size_t values, float* __restrict out) {
  for (size_t i = 0; i < values; i++) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, sizeof(half));
    out[i] = to_float(half);
  }
}

template <uint16_t (*to_half)(float)>
void encode_halves(const float* __restrict values, size_t count, uint8_t* __restrict out) {
  for (size_t i = 0; i < count; i++) {
    const uint16_t half = to_half(values[i]);
    std::memcpy(out + 2 * i, &half, sizeof(half));
  }
}

template <size_t values, size_t bytes, void (*decode_block)(const uint8_t*, float*)>
constexpr StoredFormat block_format(StoredType type, const char* name) {
  const auto decode = [](const uint8_t* in, size_t blocks, float* out) {
    for (size_t b = 0; b < blocks; b++) decode_block(in + b * bytes, out + b * values);
  };
  return {type, name, values, bytes, decode, nullptr};
}

constexpr StoredFormat q8_0_format() {
  StoredFormat format = block_format<32, 34, decode_q8_0>(StoredType::kQ8_0, "Q8_0");
  format.encode = [](const float* values, size_t blocks, uint8_t* out) {
    for (size_t b = 0; b < blocks; b++) encode_q8_0(values + b * 32, out + b * 34);
  };
  return format;
}

constexpr StoredFormat kFormats[] = {
    {StoredType::kF32, "F32", 1, 4, copy_f32, store_f32},
    {StoredType::kF16, "F16", 1, 2, decode_halves<f16_to_f32>, encode_halves<f32_to_f16>},
    {StoredType::kBF16, "BF16", 1, 2, decode_halves<bf16_to_f32>, encode_halves<f32_to_bf16>},
    q8_0_format(),
    block_format<32, 18, decode_q4_0>(StoredType::kQ4_0, "Q4_0"),
    block_format<32, 20, decode_q4_1>(StoredType::kQ4_1, "Q4_1"),
    block_format<32, 22, decode_q5_0>(StoredType::kQ5_0, "Q5_0"),
    block_format<32, 24, decode_q5_1>(StoredType::kQ5_1, "Q5_1"),
    block_format<256, 84, decode_q2_k>(StoredType::kQ2_K, "Q2_K"),
    block_format<256, 110, decode_q3_k>(StoredType::kQ3_K, "Q3_K"),
    block_format<256, 144, decode_q4_k>(StoredType::kQ4_K, "Q4_K"),
    block_format<256, 176, decode_q5_k>(StoredType::kQ5_K, "Q5_K"),
    block_format<256, 210, decode_q6_k>(StoredType::kQ6_K, "Q6_K"),
    block_format<32, 18, decode_iq4_nl>(StoredType::kIQ4_NL, "IQ4_NL"),
    block_format<256, 136, decode_iq4_xs>(StoredType::kIQ4_XS, "IQ4_XS"),
};

constexpr bool in_order() {
  for (size_t i = 0; i < std::size(kFormats); i++)
    if (static_cast<size_t>(kFormats[i].type) != i) return false;
  return true;
}
static_assert(in_order(), "a row of kFormats is found by its StoredType");

const StoredFormat& format(StoredType type) { return kFormats[static_cast<size_t>(type)]; }

}  // namespace

std::span<const StoredFormat> stored_formats() { return kFormats; }

StoredType stored_type(std::string_view name, std::string_view where) {
  std::string known;
  for (const StoredFormat& f : kFormats) {
    if (name == f.name) return f.type;
    known += (known.empty() ? "" : ", ") + std::string(f.name);
  }
  throw Error(ErrorCode::TENSOR_DTYPE,
              std::string(where) + " is stored as " + std::string(name) + "; this build reads " + known);
}

const char* stored_type_name(StoredType type) { return format(type).name; }

size_t block_values(StoredType type) { return format(type).block_values; }

size_t stored_bytes(StoredType type, size_t values) {
  return values / format(type).block_values * format(type).block_bytes;
}

void decode(StoredType type, const uint8_t* bytes, size_t values, float* out) {
  const StoredFormat& f = format(type);
  f.decode(bytes, values / f.block_values, out);
}

float encode_limit(StoredType type) {
  switch (type) {
    case StoredType::kF32:
      return std::numeric_limits<float>::infinity();
    case StoredType::kF16:
      return 65520;  // halfway between the largest float16, 65504, and what would follow it
    case StoredType::kBF16:
      return std::bit_cast<float>(0x7f7f8000u);  // likewise
    case StoredType::kQ8_0:
      return 127 * 65520.0f;  // the scale is a 127th of the largest magnitude, as float16
    default:
      return 0;
  }
}

void encode(StoredType type, const float* values, size_t count, uint8_t* out) {
  const StoredFormat& f = format(type);
  if (!f.encode) throw Error(ErrorCode::INVALID_ARGUMENT, std::string(f.name) + " is read, but not written");
  f.encode(values, count / f.block_values, out);
}

}  // namespace mt
