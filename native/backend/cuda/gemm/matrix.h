// Weights on the device: rows of k padded to a multiple of 16 bytes, in an order that suits the epilogues.
//
//   kPlain   row r at r
//   kGateUp  groups of 16 rows: gate's rows 8 g .. 8 g + 7, then up's
//   kQkv     each head of q, k and v in groups of 16 rows: 8 of its first half, then the 8 half a head further on
// Groups at the end of gate or of a head's half may be incomplete: those rows are zero.
#pragma once
#include "../../backend.h"
#include "../runtime/staging.h"

namespace mt::MT_TARGET {

// Where the rows of a weight lie.
struct RowLayout {
  RowLayout(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype);
  int packed_row(int row) const;
  size_t bytes() const { return static_cast<size_t>(packed_rows) * stride * dtype_size(dtype); }

  MatrixKind kind;
  DType dtype;
  int part;         // rows that are cut into groups together: ffn, or half a head
  int packed_rows;  // with those of incomplete groups
  int64_t stride;   // elements from row to row
};

class DeviceMatrix final : public Matrix {
 public:
  // In layout().bytes() bytes of device memory, which are the caller's.
  DeviceMatrix(Device& device, const RowLayout& layout, int rows, int cols, void* memory);
  // Rounds values [count, cols] into pieces of the ring, of kCopy, and queues their copies to rows row .. row + count -
  // 1.
  void write(int row, int count, const float* values, UploadRing& ring);

  const RowLayout& layout() const { return layout_; }
  const void* data() const { return data_; }

 private:
  int queue_rows(int row, int count, const std::byte* staged);

  Device& device_;
  RowLayout layout_;
  std::byte* data_;
};

}  // namespace mt::MT_TARGET
