// Describes a matrix to the TMA unit of a Hopper GPU. tensor_map_cuda.cc asks the driver, native/simulator serves
// the host device layer.
#pragma once
#include <cstdint>

#include "../runtime/target.h"

namespace mt::MT_TARGET {

constexpr int kBoxBytes = 128;           // of a row: the span of the swizzle
constexpr int kBoxCols = kBoxBytes / 2;  // halves
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

// Of a matrix [rows, cols] of halves with rows of `stride` elements in device memory, for boxes of box_rows x kBoxCols,
// swizzled. data is a multiple of 16, and so are the stride's bytes. The calling thread must have selected the device
// (runtime.h). Throws Error: DEVICE_UNAVAILABLE where the driver cannot do it, INTERNAL where it refuses the matrix.
TensorMap make_tensor_map(const void* data, int rows, int cols, int64_t stride, int box_rows);

}  // namespace mt::MT_TARGET
