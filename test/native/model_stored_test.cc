// Stored number formats: blocks written by hand, and what gguf-py makes of blocks and numbers (test/golden/gguf_blocks,
// and more of them in the shared folder if that is there).
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "../../native/base/dtype.h"
#include "../../native/model/stored.h"
#include "check.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

void append_f16(std::vector<uint8_t>& bytes, float value) {
  const uint16_t h = f32_to_f16(value);
  bytes.push_back(static_cast<uint8_t>(h));
  bytes.push_back(static_cast<uint8_t>(h >> 8));
}

// Decodes from an odd address, because blocks may lie anywhere in a file.
std::vector<float> decoded(StoredType type, const std::vector<uint8_t>& bytes, size_t values) {
  std::vector<uint8_t> shifted(1);
  shifted.insert(shifted.end(), bytes.begin(), bytes.end());
  std::vector<float> out(values);
  decode(type, shifted.data() + 1, values, out.data());
  return out;
}

// Each format has two blocks, so that a wrong block size shows.
void blocks_by_hand() {
  std::vector<uint8_t> q8, q4_0, q4_1;
  for (const float d : {0.5f, -2.0f}) {
    append_f16(q8, d);
    append_f16(q4_0, d);
    append_f16(q4_1, d);
    append_f16(q4_1, 3.0f);
    for (int i = 0; i < 32; i++) q8.push_back(static_cast<uint8_t>(i * 8 - 128));
    for (int i = 0; i < 16; i++) q4_0.push_back(static_cast<uint8_t>(i | (15 - i) << 4));
    for (int i = 0; i < 16; i++) q4_1.push_back(static_cast<uint8_t>(i | (15 - i) << 4));
  }
  CHECK_EQ(stored_bytes(StoredType::kQ8_0, 64), q8.size());
  CHECK_EQ(stored_bytes(StoredType::kQ4_0, 64), q4_0.size());
  CHECK_EQ(stored_bytes(StoredType::kQ4_1, 64), q4_1.size());
  const std::vector<float> a = decoded(StoredType::kQ8_0, q8, 64), b = decoded(StoredType::kQ4_0, q4_0, 64),
                           c = decoded(StoredType::kQ4_1, q4_1, 64);
  for (int i = 0; i < 64; i++) {
    const float d = i < 32 ? 0.5f : -2.0f;
    const int in_block = i % 32, nibble = in_block < 16 ? in_block : 15 - (in_block - 16);
    CHECK_EQ(a[i], d * static_cast<float>(in_block * 8 - 128));
    CHECK_EQ(b[i], d * static_cast<float>(nibble - 8));
    CHECK_EQ(c[i], d * static_cast<float>(nibble) + 3.0f);
  }
}

void plain_numbers() {
  const std::vector<float> f32 = decoded(StoredType::kF32, {0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}, 2);
  CHECK_EQ(f32[0], 1.5f);
  CHECK_EQ(f32[1], -2.0f);
  CHECK_EQ(decoded(StoredType::kF16, {0x00, 0x3e}, 1)[0], 1.5f);
  CHECK_EQ(decoded(StoredType::kBF16, {0xc0, 0x3f}, 1)[0], 1.5f);
}

void unknown_types_are_named() {
  std::string message;
  CHECK_EQ(error_of([] { stored_type("IQ2_XS", "a.gguf: \"x\""); }, &message), "TENSOR_DTYPE");
  CHECK_EQ(
      message,
      "a.gguf: \"x\" is stored as IQ2_XS; this build reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, "
      "Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS");
}

template <class T>
std::vector<T> read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK(file.good());
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

std::filesystem::path golden(const char* root) {
  return std::filesystem::path(__FILE__).parent_path() / root / "golden" / "gguf_blocks";
}

// Every format but F32, which ggml has no blocks of.
void decodes_as_gguf_py(const std::filesystem::path& folder) {
  for (const StoredFormat& format : stored_formats().subspan(1)) {
    const std::vector<uint8_t> blocks = read_all<uint8_t>(folder / (std::string(format.name) + ".blocks.bin"));
    const std::vector<uint32_t> want = read_all<uint32_t>(folder / (std::string(format.name) + ".values.f32"));
    CHECK(want.size() >= 8 * format.block_values);
    CHECK_EQ(stored_bytes(format.type, want.size()), blocks.size());
    const std::vector<float> got = decoded(format.type, blocks, want.size());
    for (size_t i = 0; i < want.size(); i++) {
      check(std::bit_cast<uint32_t>(got[i]) == want[i], "%s: value %zu is %a, want %a", format.name, i, got[i],
            std::bit_cast<float>(want[i]));
    }
  }
}

void decodes_shared_blocks() {
  const std::filesystem::path folder = golden("../../../shared");
  if (!std::filesystem::exists(folder)) {
    std::printf("not run: decodes_shared_blocks (%s is not there)\n", folder.c_str());
    return;
  }
  decodes_as_gguf_py(folder);
}

void encodes_as_gguf_py() {
  for (const char* name : {"Q8_0", "F16", "BF16"}) {
    const std::vector<float> values = read_all<float>(golden("..") / (std::string(name) + ".input.f32"));
    const std::vector<uint8_t> want = read_all<uint8_t>(golden("..") / (std::string(name) + ".encoded.bin"));
    const StoredType type = stored_type(name, "");
    CHECK(values.size() >= 320);
    CHECK_EQ(stored_bytes(type, values.size()), want.size());
    std::vector<uint8_t> got(want.size() + 1);  // to an odd address
    encode(type, values.data(), values.size(), got.data() + 1);
    for (size_t i = 0; i < want.size(); i++) {
      check(got[i + 1] == want[i], "%s: byte %zu is %d, want %d", name, i, got[i + 1], want[i]);
    }
  }
  const std::vector<float> same = {1.5f, -0.0f};
  std::vector<uint8_t> bytes(8);
  encode(StoredType::kF32, same.data(), 2, bytes.data());
  CHECK_EQ(decoded(StoredType::kF32, bytes, 2)[0], 1.5f);
}

// The last number below a limit stays finite, the limit itself does not.
void limits_of_encoding() {
  for (const StoredFormat& format : stored_formats()) {
    const float limit = encode_limit(format.type);
    CHECK_EQ(limit > 0, format.encode != nullptr);
    if (limit == 0) {
      const std::vector<float> zeros(format.block_values);
      std::vector<uint8_t> bytes(format.block_bytes);
      std::string message;
      CHECK_EQ(error_of([&] { encode(format.type, zeros.data(), zeros.size(), bytes.data()); }, &message),
               "INVALID_ARGUMENT");
      CHECK_EQ(message, std::string(format.name) + " is read, but not written");
      continue;
    }
    for (const float value : {std::nextafter(limit, 0.0f), limit}) {
      const std::vector<float> values(format.block_values, value);
      std::vector<uint8_t> bytes(format.block_bytes);
      encode(format.type, values.data(), values.size(), bytes.data());
      CHECK_EQ(std::isfinite(decoded(format.type, bytes, values.size())[0]), value < limit);
    }
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::blocks_by_hand();
  mt::test::plain_numbers();
  mt::test::unknown_types_are_named();
  mt::test::decodes_as_gguf_py(mt::test::golden(".."));
  mt::test::decodes_shared_blocks();
  mt::test::encodes_as_gguf_py();
  mt::test::limits_of_encoding();
  return mt::test::finish("model_stored");
}
