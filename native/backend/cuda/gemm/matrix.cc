// Packs weights: the host rounds rows into pinned memory, which is copied to the device while the host goes on.
#include "matrix.h"

#include <algorithm>
#include <cstring>

namespace mt::MT_TARGET {
namespace {

constexpr size_t kPieceBytes = 4u << 20;

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
    : kind(k), dtype(t), packed_rows(rows), stride(padded(cols, t)) {
  if (kind == MatrixKind::kPlain) return;
  places.part = kind == MatrixKind::kGateUp ? rows / 2 : shape.head_dim / 2;
  packed_rows = rows / (2 * places.part) * places.groups() * 2 * kGroupRows;
}

DeviceMatrix::DeviceMatrix(Device& device, const RowLayout& layout, int r, int c, void* memory)
    : device_(device), layout_(layout), data_(static_cast<std::byte*>(memory)) {
  rows = r;
  cols = c;
  dtype = layout.dtype;
  kind = layout.kind;
  if (layout_.packed_rows == rows) return;
  // On the lane of the copies, so that it is done before them; and before ops that write rows.
  device.zero(memory, layout_.bytes(), Lane::kCopy);
  Event zeroed(device);
  zeroed.record(Lane::kCopy);
  zeroed.hold(Lane::kCompute);
}

void DeviceMatrix::write(int row, int count, const float* values, UploadRing& ring) {
  const size_t used = cols * dtype_size(dtype), row_bytes = layout_.stride * dtype_size(dtype);
  const int at_once = static_cast<int>(std::max<size_t>(kGroupRows, kPieceBytes / row_bytes));
  for (int done = 0; done < count; done += at_once) {
    const int rounded = std::min(at_once, count - done);
    std::byte* piece = ring.next(rounded * row_bytes);
    for (int i = 0; i < rounded; i++) {
      std::byte* to = piece + i * row_bytes;
      round_row(values + static_cast<size_t>(done + i) * cols, cols, dtype, to);
      std::memset(to + used, 0, row_bytes - used);
    }
    for (int i = 0; i < rounded;) i += queue_rows(row + done + i, rounded - i, piece + i * row_bytes);
    ring.queued();
  }
}

// Queues one copy of as many rows from `row` on as a single copy can take: neighbouring rows, or whole groups that lie
// two groups apart. Returns how many rows it took.
int DeviceMatrix::queue_rows(int row, int count, const std::byte* staged) {
  const size_t row_bytes = layout_.stride * dtype_size(dtype);
  const int first = layout_.places.place(row);
  // How many rows from row + from on lie side by side, if the first one lies at `place`.
  const auto run = [&](int from, int place) {
    int n = 0;
    while (from + n < count && layout_.places.place(row + from + n) == place + n) n++;
    return n;
  };
  const int width = run(0, first);
  int height = 1;
  if (width == kGroupRows)
    while (run(height * kGroupRows, first + height * 2 * kGroupRows) == kGroupRows) height++;
  device_.queue_upload(data_ + first * row_bytes, 2 * kGroupRows * row_bytes, staged, width * row_bytes, height,
                       Lane::kCopy);
  return height * width;
}

}  // namespace mt::MT_TARGET
