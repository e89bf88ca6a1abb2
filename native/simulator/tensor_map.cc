// Tensor maps of the simulator. Everything that the driver would refuse is an error here too.
#include "../backend/cuda/device/tensor_map.h"

#include <string>

#include "../base/error.h"
#include "counters.h"

namespace mt::MT_TARGET {

TensorMap make_tensor_map(const void* data, int rows, int cols, int64_t stride, int box_rows) {
  if (!is_device_selected()) throw Error(ErrorCode::INTERNAL, "no tensor map: the thread has selected no device");
  if (reinterpret_cast<uintptr_t>(data) % 16 != 0 || stride % 8 != 0 || stride < cols || rows < 1 || cols < 1 ||
      box_rows < 1 || box_rows > kMaxBoxRows)
    throw Error(ErrorCode::INTERNAL, "no tensor map of " + std::to_string(rows) + " x " + std::to_string(cols) +
                                         " halves, stride " + std::to_string(stride) + ", boxes of " +
                                         std::to_string(box_rows) + " rows");
  return {static_cast<const uint16_t*>(data), rows, cols, stride, box_rows};
}

}  // namespace mt::MT_TARGET
