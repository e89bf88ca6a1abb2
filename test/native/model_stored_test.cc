// Decoding of stored number formats: blocks written by hand, and vectors made by the gguf package if the shared folder
// is there.
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
  CHECK_EQ(error_of([] { stored_type("Q4_K", "a.gguf: \"x\""); }, &message), "TENSOR_DTYPE");
  CHECK_EQ(message, "a.gguf: \"x\" is stored as Q4_K; this build reads F32, F16, BF16, Q8_0, Q4_0, Q4_1");
}

template <class T>
std::vector<T> read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

void ggufs_own_vectors() {
  const std::filesystem::path folder =
      std::filesystem::path(__FILE__).parent_path() / "../../../shared/golden/gguf_blocks";
  if (!std::filesystem::exists(folder)) {
    std::printf("not run: ggufs_own_vectors (%s is not there)\n", folder.c_str());
    return;
  }
  for (const char* name : {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1"}) {
    const StoredType type = stored_type(name, "");
    const std::vector<uint8_t> blocks = read_all<uint8_t>(folder / (std::string(name) + ".blocks.bin"));
    const std::vector<float> want = read_all<float>(folder / (std::string(name) + ".values.f32"));
    CHECK(want.size() >= 32);
    CHECK_EQ(stored_bytes(type, want.size()), blocks.size());
    const std::vector<float> got = decoded(type, blocks, want.size());
    for (size_t i = 0; i < want.size(); i++) CHECK_EQ(got[i], want[i]);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::blocks_by_hand();
  mt::test::plain_numbers();
  mt::test::unknown_types_are_named();
  mt::test::ggufs_own_vectors();
  return mt::test::finish("model_stored");
}
