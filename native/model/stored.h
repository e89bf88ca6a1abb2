// Number formats of weight files, and reading them as float32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mt {

// F32, F16 and BF16 are plain numbers as in safetensors. The others are ggml's blocks of 32 values:
//   Q8_0  f16 d, 32 int8 q              value = d q                  34 bytes
//   Q4_0  f16 d, 16 bytes q             value = d (q - 8)            18 bytes
//   Q4_1  f16 d, f16 m, 16 bytes q      value = d q + m              20 bytes
// The low nibbles of the 16 bytes are values 0 .. 15, the high nibbles values 16 .. 31. All is little-endian.
enum class StoredType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1 };

// Throws TENSOR_DTYPE for a name that this build does not read, with a message that begins with `where`.
StoredType stored_type(std::string_view name, std::string_view where);

const char* stored_type_name(StoredType type);

// The number of values in one block: 1 or 32.
size_t block_values(StoredType type);

// The bytes that `values` numbers take. `values` is a multiple of block_values().
size_t stored_bytes(StoredType type, size_t values);

// Decodes `values` numbers, a multiple of block_values(), from `bytes`, which need no alignment.
void decode(StoredType type, const uint8_t* bytes, size_t values, float* out);

}  // namespace mt
