// Blocks of any bytes decode, and numbers of any kind encode, within their arrays and the same whatever lies beside
// them.
#include <cmath>
#include <cstring>

#include "../../../native/model/stored.h"
#include "fuzz.h"

namespace mt::fuzz {
namespace {

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

// Vectors of the very sizes: AddressSanitizer sees a byte beside them.
std::vector<float> decode_exactly(const StoredFormat& format, std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  std::vector<float> values(bytes.size() / format.block_bytes * format.block_values);
  decode(format.type, copy.data(), values.size(), values.data());
  return values;
}

void decode_any(const StoredFormat& format, std::span<const uint8_t> bytes) {
  const size_t blocks = bytes.size() / format.block_bytes;
  const std::vector<float> all = decode_exactly(format, bytes.first(blocks * format.block_bytes));
  for (size_t b = 0; b < blocks; b++) {
    const std::vector<float> alone = decode_exactly(format, bytes.subspan(b * format.block_bytes, format.block_bytes));
    for (size_t i = 0; i < alone.size(); i++) {
      if (!same_bits(alone[i], all[b * format.block_values + i])) {
        broken(std::string(format.name) + ": a block decodes otherwise among others");
      }
    }
  }
}

// What encoding may change a number by. `largest` is the largest magnitude of its block.
double tolerance(StoredType type, float value, float largest) {
  switch (type) {
    case StoredType::kF16:
      return std::fabs(value) * 0x1p-11 + 0x1p-25;
    case StoredType::kBF16:
      return std::fabs(value) * 0x1p-8 + 0x1p-134;
    case StoredType::kQ8_0:  // half a quant, the rounding of the scale, and what is below the smallest scale
      return largest * (0.5001 / 127 + 0x1p-11) + 127 * 0x1p-25;
    default:
      return 0;
  }
}

void encode_any(const StoredFormat& format, Input& input, bool any) {
  std::vector<float> values(format.block_values * static_cast<size_t>(input.within(0, 3)));
  const float limit = encode_limit(format.type);
  for (float& value : values) {
    value = input.real();
    // Numbers past the limit are the caller's fault, so the result may be anything, but not a crash.
    if (!any && !(std::fabs(value) < limit)) value = 0;
  }
  std::vector<uint8_t> bytes(stored_bytes(format.type, values.size()));
  encode(format.type, values.data(), values.size(), bytes.data());
  if (any) return;
  const std::vector<float> back = decode_exactly(format, bytes);
  for (size_t i = 0; i < values.size(); i++) {
    float largest = 0;
    const size_t block = i / format.block_values * format.block_values;
    for (size_t j = block; j < block + format.block_values; j++) largest = std::max(largest, std::fabs(values[j]));
    const double error = std::fabs(double{back[i]} - values[i]);
    if (!(error <= tolerance(format.type, values[i], largest))) {
      broken(std::string(format.name) + ": " + std::to_string(values[i]) + " becomes " + std::to_string(back[i]));
    }
  }
}

}  // namespace
}  // namespace mt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  const StoredFormat& format = stored_formats()[input.byte() % stored_formats().size()];
  const uint8_t how = input.byte();
  if (how % 2 == 0 || !format.encode) {
    fuzz::decode_any(format, input.rest());
  } else {
    fuzz::encode_any(format, input, how % 4 == 1);
  }
  return 0;
}
