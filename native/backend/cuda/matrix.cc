// Packing of weights: rounded on the host, copied in runs of rows that stay together.
#include "matrix.h"

#include <algorithm>
#include <cstring>

namespace mt::MT_TARGET {
namespace {

constexpr int kGroup = 8;  // rows of a kind side by side: the columns of a fragment
constexpr size_t kStagingBytes = 4u << 20;

int64_t padded(int cols, DType dtype) {
  const int64_t per_chunk = static_cast<int64_t>(16 / dtype_size(dtype));
  return (cols + per_chunk - 1) / per_chunk * per_chunk;
}

void round_row(const float* from, int cols, DType dtype, std::byte* to) {
  if (dtype == DType::kFloat32) {
    std::memcpy(to, from, cols * sizeof(float));
    return;
  }
  auto* halves = reinterpret_cast<uint16_t*>(to);
  if (dtype == DType::kBFloat16)
    std::transform(from, from + cols, halves, f32_to_bf16);
  else
    std::transform(from, from + cols, halves, f32_to_f16);
}

}  // namespace

RowLayout::RowLayout(int rows, int cols, MatrixKind k, HeadShape shape, DType t)
    : kind(k), dtype(t), part(rows), packed_rows(rows), stride(padded(cols, t)) {
  if (kind == MatrixKind::kPlain) return;
  if (kind == MatrixKind::kQkv && shape.head_dim == 0) return;  // to count bytes: right where heads fill their groups
  part = kind == MatrixKind::kGateUp ? rows / 2 : shape.head_dim / 2;
  packed_rows = rows / (2 * part) * ((part + kGroup - 1) / kGroup) * 2 * kGroup;
}

int RowLayout::packed_row(int row) const {
  if (kind == MatrixKind::kPlain) return row;
  const int groups = (part + kGroup - 1) / kGroup;
  const int pair = row / (2 * part), i = row % part, second = row / part % 2;
  return ((pair * groups + i / kGroup) * 2 + second) * kGroup + i % kGroup;
}

DeviceMatrix::DeviceMatrix(Device& device, int r, int c, MatrixKind k, HeadShape shape, DType t)
    : device_(device), layout_(r, c, k, shape, t), memory_(device, layout_.bytes()) {
  rows = r;
  cols = c;
  dtype = t;
  kind = k;
  if (layout_.packed_rows != rows) device.zero(memory_.data(), memory_.bytes());
}

void DeviceMatrix::write(int row, int count, const float* values) {
  const size_t row_bytes = layout_.stride * dtype_size(dtype);
  const int at_once = static_cast<int>(std::max<size_t>(kGroup, kStagingBytes / row_bytes));
  staging_.resize(std::min(count, at_once) * row_bytes);
  for (int done = 0; done < count;) {
    const int staged = std::min(at_once, count - done);
    for (int i = 0; i < staged; i++) {
      std::byte* to = staging_.data() + i * row_bytes;
      round_row(values + static_cast<size_t>(done + i) * cols, cols, dtype, to);
      std::memset(to + cols * dtype_size(dtype), 0, row_bytes - cols * dtype_size(dtype));
    }
    for (int i = 0; i < staged;) {
      const int first = layout_.packed_row(row + done + i);
      int run = 1;
      while (i + run < staged && layout_.packed_row(row + done + i + run) == first + run) run++;
      device_.upload(static_cast<std::byte*>(memory_.data()) + first * row_bytes, staging_.data() + i * row_bytes,
                     run * row_bytes);
      i += run;
    }
    done += staged;
  }
}

}  // namespace mt::MT_TARGET
