// Tensor maps by the driver. Its function is looked up at run time, because the addon does not link libcuda.
#include <cuda.h>
#include <cuda_runtime.h>

#include <cstring>
#include <string>

#include "../../../base/error.h"
#include "tensor_map.h"

namespace mt::MT_TARGET {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode find_encode() {
  constexpr int kSince = 12000;  // the first CUDA version that has the function
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSince, cudaEnableDefault, &found);
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess || !function)
    throw Error(ErrorCode::DEVICE_UNAVAILABLE,
                std::string("the NVIDIA driver has no cuTensorMapEncodeTiled, which the kernels for Hopper need (") +
                    cudaGetErrorString(error) + "); a driver of CUDA 12.0 or newer has it");
  return reinterpret_cast<Encode>(function);
}

}  // namespace

TensorMap make_tensor_map(const void* data, int rows, int cols, int64_t stride, int box_rows) {
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= alignof(CUtensorMap));
  static const Encode encode = find_encode();
  CUtensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(cols), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(stride) * sizeof(uint16_t)};
  const cuuint32_t box[] = {kBoxCols, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  // The type may be an integer: elements are only copied, and a zero is the same bits in all types.
  const CUresult result = encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void*>(data), sizes, strides, box,
                                 steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw Error(ErrorCode::INTERNAL, "the NVIDIA driver refuses a tensor map (" + std::to_string(result) + "): " +
                                         std::to_string(rows) + " x " + std::to_string(cols) + " halves, stride " +
                                         std::to_string(stride) + ", boxes of " + std::to_string(box_rows) + " rows");
  TensorMap made;
  std::memcpy(&made, &map, sizeof made);
  return made;
}

}  // namespace mt::MT_TARGET
