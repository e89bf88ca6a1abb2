// Weights on the device: rows are padded to a multiple of 16 bytes and stand in an order that suits the epilogues.
#pragma once
#include "../runtime/staging.h"
#include "row_layout.h"

namespace mt::MT_TARGET {

class DeviceMatrix final : public Matrix {
 public:
  // `memory` has layout().bytes() bytes of device memory and belongs to the caller.
  DeviceMatrix(Device& device, const RowLayout& layout, int rows, int cols, void* memory);
  // Rounds values [count, cols] into pieces of the ring, whose lane is kCopy, and queues their copies to the rows
  // row .. row + count - 1.
  void write(int row, int count, const float* values, UploadRing& ring);

  const RowLayout& layout() const { return layout_; }
  const void* data() const { return data_; }
  void* data() { return data_; }

 private:
  int queue_rows(int row, int count, const std::byte* staged);

  Device& device_;
  RowLayout layout_;
  std::byte* data_;
};

}  // namespace mt::MT_TARGET
