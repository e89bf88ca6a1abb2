// Describes a matrix to the TMA unit of a Hopper GPU. tensor_map_cuda.cc implements it by the driver,
// native/simulator/tensor_map.cc for the simulator.
#pragma once
#include <cstdint>

#include "../runtime/target.h"

namespace mt::MT_TARGET {

constexpr int kBoxBytes = 128;           // bytes of a box's row, which is the span of the swizzle
constexpr int kBoxCols = kBoxBytes / 2;  // bf16 or f16 elements of a box's row
constexpr int kMaxBoxRows = 256;         // the hardware's limit

#ifdef MT_DEVICE_HOST
struct TensorMap {
  const uint16_t* data;
  int rows, cols;
  int64_t stride;
  int box_rows;
};
#else
struct alignas(128) TensorMap {
  uint64_t opaque[16];
};
#endif

// Describes a matrix [rows, cols] of 16-bit elements in device memory, whose rows are `stride` elements apart, for
// swizzled boxes of [box_rows, kBoxCols]. The address and the bytes of the stride are multiples of 16. The calling
// thread must have selected the device (runtime.h). Throws DEVICE_UNAVAILABLE if the driver is too old for tensor maps,
// INTERNAL if it refuses this one.
TensorMap make_tensor_map(const void* data, int rows, int cols, int64_t stride, int box_rows);

}  // namespace mt::MT_TARGET
