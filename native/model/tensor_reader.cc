// The parts of a stack are placed first, then base and adapters are added, and the sums are checked last.
#include "tensor_reader.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "../base/error.h"

namespace mt {
namespace {

// Files that are kept open: adapters and the ranks of a Meta checkpoint are read in turn.
constexpr size_t kMaxOpenFiles = 16;

// Far above the rank of any adapter.
constexpr int64_t kMaxRank = 1 << 16;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t columns(const std::vector<int64_t>& shape) { return shape.size() == 2 ? shape[1] : 1; }

// The rows of a stack whose parts have shapes.
int64_t rows_of(const StoredStack& stack) {
  int64_t rows = 0;
  for (const StoredPart& part : stack.parts) {
    rows = stack.axis == StoredStack::Axis::kRows ? rows + part.shape[0] : part.shape[0];
  }
  return rows;
}

class Checker {
 public:
  Checker(const StoredTensor& tensor, int head_dim) : tensor_(tensor), head_dim_(head_dim) {}

  void check(const std::vector<int64_t>& wanted) const {
    if (tensor_.values.parts.empty()) fail_argument("has no parts");
    if (tensor_.shape != wanted) {
      fail(tensor_.values.parts[0], "is " + shape_text(tensor_.shape) + "; the config asks for " + shape_text(wanted));
    }
    check_stack(tensor_.values, wanted[0]);
    if (tensor_.base) check_base(*tensor_.base);
    for (const StoredAdapter& adapter : tensor_.adapters) check_adapter(adapter);
  }

 private:
  [[noreturn]] void fail_argument(const std::string& what) const {
    throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + tensor_.name + "\" " + what);
  }

  [[noreturn]] void fail(const StoredPart& part, const std::string& what) const {
    throw Error(ErrorCode::TENSOR_SHAPE, part.file + ": \"" + tensor_.name + "\" " + what);
  }

  // Checks that the parts make up a matrix of `rows` rows and the tensor's columns, or a vector.
  void check_stack(const StoredStack& stack, int64_t rows) const {
    const bool by_rows = stack.axis == StoredStack::Axis::kRows;
    const std::vector<int64_t>& shape = tensor_.shape;
    const int64_t cols = columns(shape), length = by_rows ? rows : cols;
    int64_t sum = 0;
    for (const StoredPart& part : stack.parts) {
      if (part.shape.size() != shape.size()) fail(part, "has a part " + shape_text(part.shape));
      const int64_t along = by_rows ? part.shape[0] : columns(part.shape);
      const int64_t across = by_rows ? columns(part.shape) : part.shape[0];
      if (along < 1 || along > length - sum || across != (by_rows ? cols : rows)) {
        fail(part, "has a part " + shape_text(part.shape) + ", which does not fit " + shape_text(shape));
      }
      // Rows are put in order by their distance from the start of what is read, which is a whole number of heads.
      if (part.rope_interleaved && by_rows && sum % head_dim_ != 0) {
        fail(part, "has interleaved heads from row " + std::to_string(sum) + " on, which is within a head of " +
                       std::to_string(head_dim_));
      }
      sum += along;
      check_part(part);
    }
    if (sum != length) {
      fail(stack.parts[0], "has parts of " + std::to_string(sum) + (by_rows ? " rows" : " columns") + " in all; " +
                               shape_text(shape) + " needs " + std::to_string(length));
    }
  }

  void check_part(const StoredPart& part) const {
    const auto block = static_cast<int64_t>(block_values(part.type));
    if (part.shape.back() % block != 0) {
      fail(part, "is " + shape_text(part.shape) + ", but rows of " + stored_type_name(part.type) +
                     " come in blocks of " + std::to_string(block));
    }
    const size_t values = static_cast<size_t>(part.shape[0]) * static_cast<size_t>(columns(part.shape));
    const size_t bytes = stored_bytes(part.type, values);
    if (part.bytes != bytes) {
      fail(part, "has " + std::to_string(part.bytes) + " bytes; " + shape_text(part.shape) + " of " +
                     stored_type_name(part.type) + " takes " + std::to_string(bytes));
    }
    if (part.rope_interleaved && (head_dim_ % 2 != 0 || part.shape[0] % head_dim_ != 0)) {
      fail(part, "is said to hold interleaved heads, but " + std::to_string(part.shape[0]) +
                     " rows are no heads of an even headDim, which is " + std::to_string(head_dim_));
    }
  }

  void check_base(const StoredStack& base) const {
    if (base.parts.empty()) fail_argument("has a base without parts");
    for (const StoredPart& part : base.parts) {
      if (part.shape.size() != tensor_.shape.size() || part.shape[0] > tensor_.shape[0]) {
        fail(part, "has a base " + shape_text(part.shape) + ", which does not fit " + shape_text(tensor_.shape));
      }
    }
    const int64_t rows = rows_of(base);
    if (rows > tensor_.shape[0]) {
      fail(base.parts[0], "has a base of " + std::to_string(rows) + " rows, more than " + shape_text(tensor_.shape));
    }
    check_stack(base, rows);
  }

  void check_adapter(const StoredAdapter& adapter) const {
    const std::vector<int64_t>&a = adapter.a.shape, &b = adapter.b.shape;
    if (tensor_.shape.size() != 2 || a.size() != 2 || b.size() != 2 || a[0] < 1 || a[0] > kMaxRank || a[0] != b[1] ||
        a[1] != tensor_.shape[1] || b[0] != tensor_.shape[0]) {
      fail(adapter.b, "is " + shape_text(tensor_.shape) + "; an adapter of " + shape_text(b) + " times " +
                          shape_text(a) + " does not fit");
    }
    if (adapter.a.rope_interleaved || adapter.b.rope_interleaved) fail(adapter.b, "has an adapter in another order");
    check_part(adapter.a);
    check_part(adapter.b);
  }

  const StoredTensor& tensor_;
  const int head_dim_;
};

template <class Visit>
void for_each_part(const StoredTensor& tensor, Visit visit) {
  for (const StoredPart& part : tensor.values.parts) visit(part);
  if (tensor.base) {
    for (const StoredPart& part : tensor.base->parts) visit(part);
  }
  for (const StoredAdapter& adapter : tensor.adapters) {
    visit(adapter.a);
    visit(adapter.b);
  }
}

float round_f16(float value) { return f16_to_f32(f32_to_f16(value)); }

}  // namespace

void check_tensor(const StoredTensor& tensor, const std::vector<int64_t>& wanted, int head_dim) {
  Checker(tensor, head_dim).check(wanted);
}

uint64_t stored_bytes(const StoredTensor& tensor) {
  uint64_t sum = 0;
  for_each_part(tensor, [&](const StoredPart& part) { sum += part.bytes; });
  return sum;
}

int TensorReader::row_unit(const StoredTensor& tensor) const {
  if (tensor.shape.size() == 1) return static_cast<int>(tensor.shape[0]);
  bool interleaved = false;
  for_each_part(tensor, [&](const StoredPart& part) { interleaved |= part.rope_interleaved; });
  return interleaved ? head_dim_ : 1;
}

std::span<const float> TensorReader::read(const StoredTensor& tensor, int first, int count, float limit,
                                          std::string_view too_large_for) {
  const Rows rows = {first, count, static_cast<int>(columns(tensor.shape))};
  values_.resize(static_cast<size_t>(count) * rows.cols);
  read_stack(tensor.values, rows, values_.data());
  if (tensor.base) add_base(*tensor.base, tensor.subtract_base ? -1.0f : 1.0f, rows);
  if (!tensor.adapters.empty()) add_adapters(tensor, rows);
  // Without their signs, floats have the order of their bits; infinities and NaNs come last.
  const auto limit_bits = std::bit_cast<int32_t>(limit);
  int32_t too_large = 0;
  for (const float value : values_) too_large |= (std::bit_cast<int32_t>(value) & 0x7fffffff) >= limit_bits;
  if (too_large) {
    const auto bad = std::find_if(values_.begin(), values_.end(), [&](float v) { return !(std::fabs(v) < limit); });
    const std::string reason =
        std::isfinite(*bad) ? "which is too large for " + std::string(too_large_for) : "not a finite number";
    throw Error(ErrorCode::WEIGHT_NOT_FINITE, tensor.values.parts[0].file + ": \"" + tensor.name + "\": element " +
                                                  std::to_string(size_t(first) * rows.cols + (bad - values_.begin())) +
                                                  " is " + std::to_string(*bad) + ", " + reason);
  }
  return values_;
}

// Reads rows of the stack to out [rows.count, rows.cols]. The stack must have them all.
void TensorReader::read_stack(const StoredStack& stack, Rows rows, float* out) {
  int at = 0;  // the row or column at which the part begins
  for (const StoredPart& part : stack.parts) {
    if (stack.axis == StoredStack::Axis::kRows) {
      const int end = at + static_cast<int>(part.shape[0]);
      const int from = std::max(rows.first, at), to = std::min(rows.first + rows.count, end);
      if (from < to) {
        read_part(part, {from - at, to - from, rows.cols}, out + static_cast<size_t>(from - rows.first) * rows.cols);
      }
      at = end;
    } else {
      const int cols = static_cast<int>(columns(part.shape));
      part_.resize(static_cast<size_t>(rows.count) * cols);
      read_part(part, {rows.first, rows.count, cols}, part_.data());
      for (int row = 0; row < rows.count; row++) {
        std::copy_n(part_.data() + static_cast<size_t>(row) * cols, cols,
                    out + static_cast<size_t>(row) * rows.cols + at);
      }
      at += cols;
    }
  }
}

// Reads rows of one part to out [rows.count, rows.cols], in Hugging Face's order.
void TensorReader::read_part(const StoredPart& part, Rows rows, float* out) {
  control_.poll();
  const size_t cols = rows.cols, count = rows.count * cols;
  raw_.resize(stored_bytes(part.type, count));
  file(part.file).read(part.offset + stored_bytes(part.type, rows.first * cols), raw_.data(), raw_.size());
  bytes_read_ += raw_.size();
  if (!part.rope_interleaved) return decode(part.type, raw_.data(), count, out);
  stored_rows_.resize(count);
  decode(part.type, raw_.data(), count, stored_rows_.data());
  for (size_t row = 0; row < static_cast<size_t>(rows.count); row++) {
    std::copy_n(stored_rows_.data() + row * cols, cols, out + unpermuted(row) * cols);
  }
}

void TensorReader::add_base(const StoredStack& base, float sign, Rows rows) {
  const auto there = static_cast<int>(std::clamp<int64_t>(rows_of(base) - rows.first, 0, rows.count));
  other_.assign(values_.size(), 0.0f);
  if (there > 0) read_stack(base, {rows.first, there, rows.cols}, other_.data());
  for (size_t i = 0; i < values_.size(); i++) {
    values_[i] = round_f16(round_f16(values_[i]) + sign * round_f16(other_[i]));
  }
}

void TensorReader::add_adapters(const StoredTensor& tensor, Rows rows) {
  if (adapted_ != &tensor) {
    adapted_ = nullptr;
    a_.resize(tensor.adapters.size());
    for (size_t i = 0; i < a_.size(); i++) {
      const StoredPart& a = tensor.adapters[i].a;
      a_[i].resize(static_cast<size_t>(a.shape[0]) * rows.cols);
      read_part(a, {0, static_cast<int>(a.shape[0]), rows.cols}, a_[i].data());
    }
    adapted_ = &tensor;
  }
  const auto cols = static_cast<size_t>(rows.cols);
  product_.resize(cols);
  for (size_t i = 0; i < a_.size(); i++) {
    const StoredAdapter& adapter = tensor.adapters[i];
    const auto rank = static_cast<size_t>(adapter.b.shape[1]);
    other_.resize(static_cast<size_t>(rows.count) * rank);
    read_part(adapter.b, {rows.first, rows.count, static_cast<int>(rank)}, other_.data());
    for (int row = 0; row < rows.count; row++) {
      std::fill(product_.begin(), product_.end(), 0.0f);
      for (size_t r = 0; r < rank; r++) {
        const float b = other_[static_cast<size_t>(row) * rank + r];
        const float* a = a_[i].data() + r * cols;
        for (size_t c = 0; c < cols; c++) product_[c] += b * a[c];
      }
      float* values = values_.data() + static_cast<size_t>(row) * cols;
      for (size_t c = 0; c < cols; c++) values[c] += adapter.scale * product_[c];
    }
  }
}

const File& TensorReader::file(const std::string& path) {
  const auto found = files_.find(path);
  if (found != files_.end()) return found->second;
  if (files_.size() >= kMaxOpenFiles) files_.clear();
  return files_.try_emplace(path, path).first->second;
}

// Which row of Hugging Face's order row `i` of the other order is. Both count from the start of a head.
size_t TensorReader::unpermuted(size_t i) const {
  const size_t d = head_dim_, in_head = i % d;
  return i - in_head + in_head / 2 + in_head % 2 * (d / 2);
}

}  // namespace mt
