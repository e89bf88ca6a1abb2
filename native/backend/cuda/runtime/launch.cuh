// launch(device, {.x, .y, .threads, .shared}, kernel, arguments...) queues a kernel on the GPU, or runs it in the
// simulator.
#pragma once
#include <tuple>
#include <type_traits>

#include "runtime.h"

#ifdef MT_DEVICE_HOST
#include "../../../simulator/fibers.h"
#else
#include <cuda_runtime.h>

#include <string>

#include "../../../base/error.h"
#endif

namespace mt::MT_TARGET {

#ifdef MT_DEVICE_HOST

template <class... Parameters>
void launch(Device& device, const Grid& grid, void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  device.before_launch();
  const std::tuple<Parameters...> values(arguments...);
  run_grid(grid, [&] { std::apply(kernel, values); });
}

#else

struct Grid {
  int x = 1;
  int y = 1;
  int threads = 0;  // a multiple of 32
  size_t shared = 0;
};

template <class... Parameters>
void launch(Device& device, const Grid& grid, void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  device.select();
  cudaError_t error = cudaSuccess;
  if (grid.shared > 48 << 10)  // a kernel gets more than 48 KiB only on request
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(grid.shared));
  if (error == cudaSuccess) {
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(grid.x, grid.y);
    config.blockDim = dim3(grid.threads);
    config.dynamicSmemBytes = grid.shared;
    config.stream = static_cast<cudaStream_t>(device.stream());
    error = cudaLaunchKernelEx(&config, kernel, arguments...);
  }
  if (error != cudaSuccess)  // memory may be short because a kernel's code is loaded at its first launch
    throw Error(error == cudaErrorMemoryAllocation ? ErrorCode::OUT_OF_MEMORY : ErrorCode::INTERNAL,
                std::string(device.op()) + ": a kernel could not be launched: " + cudaGetErrorString(error) + " (" +
                    std::to_string(grid.x) + " x " + std::to_string(grid.y) + " blocks, " +
                    std::to_string(grid.threads) + " threads, " + std::to_string(grid.shared) +
                    " bytes of shared memory)");
}

#endif

}  // namespace mt::MT_TARGET
