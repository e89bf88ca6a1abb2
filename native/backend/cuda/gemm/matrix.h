// Weights on the device: rows are padded to a multiple of 16 bytes and stand in an order that suits the epilogues.
//
//   kPlain   row r stands at r
//   kGateUp  groups of 16 rows: rows 8 g .. 8 g + 7 of gate, then the same rows of up
//   kQkv     each head of q, k and v in groups of 16 rows: 8 rows of its first half, then the 8 rows half a head later
// The last group of gate or of a head's half may be incomplete; the missing rows are zero.
#pragma once
#include "../../backend.h"
#include "../runtime/staging.h"

namespace mt::MT_TARGET {

// The order of a weight's rows.
struct RowLayout {
  RowLayout(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype);
  int packed_row(int row) const;
  size_t bytes() const { return static_cast<size_t>(packed_rows) * stride * dtype_size(dtype); }

  MatrixKind kind;
  DType dtype;
  int part;         // rows that are cut into groups together: those of gate or up, or half a head
  int packed_rows;  // rows, including the missing ones of incomplete groups
  int64_t stride;   // elements from one row to the next
};

class DeviceMatrix final : public Matrix {
 public:
  // `memory` has layout().bytes() bytes of device memory and belongs to the caller.
  DeviceMatrix(Device& device, const RowLayout& layout, int rows, int cols, void* memory);
  // Rounds values [count, cols] into pieces of the ring, whose lane is kCopy, and queues their copies to the rows
  // row .. row + count - 1.
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
