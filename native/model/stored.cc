// One table of formats, and one small loop for each.
#include "stored.h"

#include <bit>
#include <cstring>
#include <string>

#include "../base/dtype.h"
#include "../base/error.h"

namespace mt {
namespace {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian");

struct Format {
  StoredType type;
  const char* name;
  size_t block_values;
  size_t block_bytes;
};

constexpr Format kFormats[] = {
    {StoredType::kF32, "F32", 1, 4},     {StoredType::kF16, "F16", 1, 2},     {StoredType::kBF16, "BF16", 1, 2},
    {StoredType::kQ8_0, "Q8_0", 32, 34}, {StoredType::kQ4_0, "Q4_0", 32, 18}, {StoredType::kQ4_1, "Q4_1", 32, 20},
};

const Format& format(StoredType type) { return kFormats[static_cast<size_t>(type)]; }

uint16_t read_u16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// __restrict lets the compiler vectorise the loop.
template <class ToFloat>
void decode_halves(const uint8_t* __restrict bytes, size_t values, ToFloat to_float, float* __restrict out) {
  for (size_t i = 0; i < values; i++) out[i] = to_float(read_u16(bytes + 2 * i));
}

void decode_q8_0(const uint8_t* block, float* out) {
  const float d = f16_to_f32(read_u16(block));
  for (int i = 0; i < 32; i++) out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

void decode_q4_0(const uint8_t* block, float* out) {
  const float d = f16_to_f32(read_u16(block));
  for (int i = 0; i < 16; i++) {
    out[i] = d * static_cast<float>((block[2 + i] & 0xf) - 8);
    out[i + 16] = d * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

void decode_q4_1(const uint8_t* block, float* out) {
  const float d = f16_to_f32(read_u16(block));
  const float m = f16_to_f32(read_u16(block + 2));
  for (int i = 0; i < 16; i++) {
    out[i] = d * static_cast<float>(block[4 + i] & 0xf) + m;
    out[i + 16] = d * static_cast<float>(block[4 + i] >> 4) + m;
  }
}

}  // namespace

StoredType stored_type(std::string_view name, std::string_view where) {
  std::string known;
  for (const Format& f : kFormats) {
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
  const Format& f = format(type);
  const size_t blocks = values / f.block_values;
  switch (type) {
    case StoredType::kF32:
      std::memcpy(out, bytes, values * sizeof(float));
      return;
    case StoredType::kF16:
      decode_halves(bytes, values, f16_to_f32, out);
      return;
    case StoredType::kBF16:
      decode_halves(bytes, values, bf16_to_f32, out);
      return;
    case StoredType::kQ8_0:
      for (size_t i = 0; i < blocks; i++) decode_q8_0(bytes + i * f.block_bytes, out + 32 * i);
      return;
    case StoredType::kQ4_0:
      for (size_t i = 0; i < blocks; i++) decode_q4_0(bytes + i * f.block_bytes, out + 32 * i);
      return;
    case StoredType::kQ4_1:
      for (size_t i = 0; i < blocks; i++) decode_q4_1(bytes + i * f.block_bytes, out + 32 * i);
      return;
  }
}

}  // namespace mt
