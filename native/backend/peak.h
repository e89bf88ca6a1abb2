// The peaks of a device, measured in the same run that reports shares of them.
#pragma once
#include <string>
#include <vector>

#include "../base/control.h"
#include "../base/dtype.h"

namespace mt {

struct Peaks {
  struct Arithmetic {
    std::string instruction;  // "avx512", "mma.sync bf16"
    double flops;             // operations per second; a multiply-add counts as two
  };
  std::vector<Arithmetic> arithmetic;  // the instructions that the device has
  double read = 0;                     // bytes per second from memory, past all caches
  std::string by_dtype[3];             // for each DType of the weights, the instruction that its products use
};

// Measures the CPU with `threads` threads; by_dtype is for the kernels that make_cpu_backend() would choose.
// Takes half a GiB and a few seconds. Throws ABORTED, OUT_OF_MEMORY, DEVICE_UNAVAILABLE.
Peaks measure_cpu_peaks(int threads, const Control& control);

// Measures one thread of plain C++, which is what the reference backend uses.
Peaks measure_scalar_peaks(const Control& control);

}  // namespace mt
