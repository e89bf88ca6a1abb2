// Tensors of any parts, base and adapters: what check_tensor() accepts reads as its definition says, whole and by rows.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>

#include "../../../native/model/tensor_reader.h"
#include "fuzz.h"

namespace mt::fuzz {
namespace {

constexpr size_t kFileBytes = 4000;

// A file of numbers that are finite in float32, float16 and bfloat16, in a folder that goes with the process.
class Numbers {
 public:
  Numbers()
      : folder_(std::filesystem::temp_directory_path() / ("tensor_fuzz_" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directory(folder_);
    for (size_t i = 0; i < kFileBytes; i++) bytes_.push_back(static_cast<uint8_t>(i % 2 ? 0x34 + i % 11 : i * 37));
    std::ofstream(path(), std::ios::binary).write(reinterpret_cast<const char*>(bytes_.data()), kFileBytes);
  }
  ~Numbers() { std::filesystem::remove_all(folder_); }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;

  std::string path() const { return (folder_ / "numbers").string(); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::filesystem::path folder_;
  std::vector<uint8_t> bytes_;
};

const Numbers& numbers() {
  static const Numbers made;
  return made;
}

StoredPart any_part(Input& input, std::vector<int64_t> shape, bool interleaved) {
  constexpr StoredType kPlain[] = {StoredType::kF32, StoredType::kF16, StoredType::kBF16};
  StoredPart part;
  part.file = numbers().path();
  part.type = kPlain[input.within(0, 2)];
  part.rope_interleaved = interleaved;
  if (shape.back() % 32 == 0 && input.byte() % 2) part.type = StoredType::kQ8_0;
  size_t values = 1;
  for (const int64_t n : shape) values *= static_cast<size_t>(n);
  part.shape = std::move(shape);
  part.bytes = stored_bytes(part.type, values);
  part.offset = input.byte();
  return part;
}

// Parts that make up `shape`. They are sound unless interleaved heads begin within a head.
StoredStack any_stack(Input& input, const std::vector<int64_t>& shape, int head_dim, bool& sound) {
  StoredStack stack;
  const bool by_rows = shape.size() == 1 || input.byte() % 2 == 0;
  stack.axis = by_rows ? StoredStack::Axis::kRows : StoredStack::Axis::kColumns;
  const int64_t length = by_rows ? shape[0] : shape[1];
  const bool heads = shape[0] % head_dim == 0;
  for (int64_t at = 0; at < length;) {
    const int64_t rest = length - at;
    const int64_t size = input.byte() % 2 ? rest : 1 + input.byte() % rest;
    std::vector<int64_t> own = shape;
    (by_rows ? own[0] : own[1]) = size;
    const bool interleaved = heads && (!by_rows || size % head_dim == 0) && input.byte() % 2;
    stack.parts.push_back(any_part(input, own, interleaved));
    sound &= !(interleaved && by_rows && at % head_dim != 0);
    at += size;
  }
  return stack;
}

void lie_about(StoredPart& part, Input& input) {
  const auto odd = [&] { return input.byte() % 2 ? int64_t{input.odd_number()} : int64_t{1} << input.within(0, 53); };
  switch (input.within(0, 7)) {
    case 0:
      part.shape.clear();
      break;
    case 1:
      part.shape.push_back(odd());
      break;
    case 2:
      part.bytes = static_cast<uint64_t>(odd());
      break;
    case 3:
      part.offset = input.byte() % 2 ? static_cast<uint64_t>(odd()) : kFileBytes - input.byte();
      break;
    case 4:
      part.type = static_cast<StoredType>(input.byte() % stored_formats().size());
      break;
    case 5:
      part.rope_interleaved = !part.rope_interleaved;
      break;
    case 6:
      part.file += "/none";
      break;
    default:
      if (!part.shape.empty()) part.shape[input.byte() % part.shape.size()] = odd();
  }
}

void lie_about(StoredStack& stack, Input& input) {
  switch (input.within(0, 4)) {
    case 0:
      stack.axis = stack.axis == StoredStack::Axis::kRows ? StoredStack::Axis::kColumns : StoredStack::Axis::kRows;
      break;
    case 1:
      if (!stack.parts.empty()) stack.parts.pop_back();
      break;
    case 2:
      if (!stack.parts.empty()) stack.parts.push_back(stack.parts[input.byte() % stack.parts.size()]);
      break;
    default:
      if (!stack.parts.empty()) lie_about(stack.parts[input.byte() % stack.parts.size()], input);
  }
}

// The definition: element by element. It must lie in the file.
struct Definition {
  const StoredTensor& tensor;
  int64_t head_dim;

  static int64_t columns(const std::vector<int64_t>& shape) { return shape.size() == 2 ? shape[1] : 1; }

  float at(const StoredPart& part, int64_t row, int64_t col) const {
    const int64_t in_head = row % head_dim, half = head_dim / 2;
    if (part.rope_interleaved) row += in_head % half * 2 + in_head / half - in_head;
    const size_t block = block_values(part.type), index = static_cast<size_t>(row * columns(part.shape) + col);
    std::vector<float> values(block);
    decode(part.type, numbers().bytes().data() + part.offset + stored_bytes(part.type, index / block * block), block,
           values.data());
    return values[index % block];
  }

  std::optional<float> at(const StoredStack& stack, int64_t row, int64_t col) const {
    int64_t& place = stack.axis == StoredStack::Axis::kRows ? row : col;
    for (const StoredPart& part : stack.parts) {
      const int64_t size = stack.axis == StoredStack::Axis::kRows ? part.shape[0] : columns(part.shape);
      if (place < size) return row < part.shape[0] ? std::optional(at(part, row, col)) : std::nullopt;
      place -= size;
    }
    return std::nullopt;
  }

  float operator()(int64_t row, int64_t col) const {
    const auto f16 = [](float value) { return f16_to_f32(f32_to_f16(value)); };
    float value = at(tensor.values, row, col).value();
    if (tensor.base) {
      const float base = f16(at(*tensor.base, row, col).value_or(0));
      value = f16(f16(value) + (tensor.subtract_base ? -base : base));
    }
    for (const StoredAdapter& adapter : tensor.adapters) {
      float product = 0;
      for (int64_t r = 0; r < adapter.a.shape[0]; r++) product += at(adapter.b, row, r) * at(adapter.a, r, col);
      value += adapter.scale * product;
    }
    return value;
  }
};

// Reads rows; nothing where the file or a number forbids it.
std::optional<std::vector<float>> read(TensorReader& reader, const StoredTensor& tensor, int first, int count) {
  std::vector<float> values;
  const bool read = accepts({ErrorCode::FILE_READ, ErrorCode::WEIGHT_NOT_FINITE}, [&] {
    const auto found = reader.read(tensor, first, count, INFINITY, "F32");
    values.assign(found.begin(), found.end());
  });
  return read ? std::optional(values) : std::nullopt;
}

void hold_to_definition(const StoredTensor& tensor, int head_dim) {
  const auto rows = static_cast<int>(tensor.shape[0]), cols = static_cast<int>(Definition::columns(tensor.shape));
  const Control control;
  TensorReader whole(head_dim, control), piecewise(head_dim, control);
  const auto values = read(whole, tensor, 0, rows);
  if (!values) return;
  const Definition definition = {tensor, head_dim};
  for (int row = 0; row < rows; row++) {
    for (int col = 0; col < cols; col++) {
      const float want = definition(row, col), found = (*values)[static_cast<size_t>(row) * cols + col];
      if (!(std::fabs(found - want) <= 1e-4f * (1 + std::fabs(want)))) {
        broken("row " + std::to_string(row) + ", column " + std::to_string(col) + " is " + std::to_string(found) +
               ", want " + std::to_string(want));
      }
    }
  }
  const int unit = whole.row_unit(tensor);
  for (int first = 0; first < rows; first += unit) {
    const int count = std::min(unit, rows - first);
    const auto piece = read(piecewise, tensor, first, count);
    if (!piece || !std::equal(piece->begin(), piece->end(), values->begin() + static_cast<ptrdiff_t>(first) * cols)) {
      broken("rows from " + std::to_string(first) + " on read otherwise alone");
    }
  }
}

}  // namespace
}  // namespace mt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  const int head_dim = input.byte() % 8 == 0 ? input.within(1, 5) : 2 * input.within(1, 3);
  std::vector<int64_t> shape = {input.within(1, 14)};
  if (input.byte() % 4) shape.push_back(input.byte() % 4 ? input.within(1, 6) : 32 * input.within(1, 2));
  // Heads of an odd size have no halves.
  const int heads = head_dim % 2 ? 1 << 20 : head_dim;
  bool sound = true;
  StoredTensor tensor;
  tensor.name = "t";
  tensor.shape = shape;
  tensor.values = fuzz::any_stack(input, shape, heads, sound);
  if (input.byte() % 2) {
    std::vector<int64_t> base = shape;
    base[0] = 1 + input.byte() % shape[0];
    tensor.base = fuzz::any_stack(input, base, heads, sound);
    tensor.subtract_base = input.byte() % 2;
  }
  for (int count = shape.size() == 2 ? input.byte() % 3 : 0; count > 0; count--) {
    const int64_t rank = input.within(1, 4);
    tensor.adapters.push_back({.a = fuzz::any_part(input, {rank, shape[1]}, false),
                               .b = fuzz::any_part(input, {shape[0], rank}, false),
                               .scale = input.byte() / 64.0f});
  }
  const int lies = input.byte() % 4;
  sound &= lies == 0;
  for (int i = 0; i < lies; i++) {
    const int where = input.within(0, 6);
    if (where == 0) tensor.shape.push_back(input.odd_number());
    if (where == 1) tensor.shape[0] = input.odd_number();
    if (where == 2 && !tensor.adapters.empty()) {
      fuzz::lie_about(input.byte() % 2 ? tensor.adapters[0].a : tensor.adapters[0].b, input);
    }
    if (where > 2 && where < 5 && tensor.base) fuzz::lie_about(*tensor.base, input);
    if (where >= 5) fuzz::lie_about(tensor.values, input);
  }
  const bool accepted = fuzz::accepts({ErrorCode::TENSOR_SHAPE, ErrorCode::INVALID_ARGUMENT},
                                      [&] { check_tensor(tensor, shape, head_dim); });
  if (accepted) {
    fuzz::hold_to_definition(tensor, head_dim);
  } else if (sound) {
    fuzz::broken("a sound tensor is refused");
  }
  return 0;
}
