// The peaks of a GPU, by which shares are reported.
#pragma once
#include "../../peak.h"
#include "../runtime/target.h"

namespace mt::MT_TARGET {

class Device;

// Measures multiply-adds in float32, tensor cores by mma.sync in bf16 and f16, on Hopper by wgmma too, and reading
// memory. Memory and errors are those of measure_gpu_peaks() (backend/gpus.h).
Peaks measure_peaks(int ordinal, const Control& control);

// peak_sm90.cu, for Hopper: each multiprocessor multiplies [kWgmmaRows - 256, 64] by [256, 64]^T `steps` times. Both
// come from `operands` [kWgmmaRows, 64], which is on the device and aligned to 16 bytes. out has room for kWgmmaThreads
// floats per multiprocessor.
constexpr int kWgmmaRows = 128 + 256;
constexpr int kWgmmaThreads = 256;
constexpr double kWgmmaFlops = 2.0 * 128 * 256 * 64;  // operations of one step on one multiprocessor
template <class T>
void launch_wgmma_peak(Device& device, const T* operands, int steps, float* out);

}  // namespace mt::MT_TARGET
