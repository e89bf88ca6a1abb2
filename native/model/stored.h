// Number formats of weight files: the table of them, reading them as float32, and writing some.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../base/dtype.h"

namespace mt {

// F32, F16 and BF16 are plain numbers as in safetensors, little-endian. The others are ggml's blocks, see blocks.h.
enum class StoredType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
};

// One row of the table. A tensor is stored as whole blocks, row by row.
struct StoredFormat {
  StoredType type;
  const char* name;     // as safetensors and ggml call it
  size_t block_values;  // 1 for plain numbers
  size_t block_bytes;
  void (*decode)(const uint8_t* bytes, size_t blocks, float* out);
  void (*encode)(const float* values, size_t blocks, uint8_t* out);  // null where the format is only read
};

// Every format that is read, in the order of StoredType.
std::span<const StoredFormat> stored_formats();

// Throws TENSOR_DTYPE for a name that this build does not read, with a message that begins with `where`.
StoredType stored_type(std::string_view name, std::string_view where);

const char* stored_type_name(StoredType type);

// The plain numbers of a dtype.
constexpr StoredType stored_type_of(DType dtype) {
  return dtype == DType::kFloat32 ? StoredType::kF32 : dtype == DType::kFloat16 ? StoredType::kF16 : StoredType::kBF16;
}

// The number of values in one block: 1, 32 or 256.
size_t block_values(StoredType type);

// The bytes that `values` numbers take. `values` is a multiple of block_values().
size_t stored_bytes(StoredType type, size_t values);

// Decodes `values` numbers, a multiple of block_values(), from `bytes`, which need no alignment.
void decode(StoredType type, const uint8_t* bytes, size_t values, float* out);

// The smallest magnitude that the format cannot hold: it would become an infinity. 0 for a format that is not written,
// infinity for F32.
float encode_limit(StoredType type);

// Encodes `values` numbers, a multiple of block_values(), as `out`, stored_bytes() of them: F32, F16 and BF16 rounded
// to nearest, ties to even, Q8_0 as blocks.h says. All are finite and below encode_limit() in magnitude. Throws
// INVALID_ARGUMENT for a format that is only read.
void encode(StoredType type, const float* values, size_t count, uint8_t* out);

}  // namespace mt
