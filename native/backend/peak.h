// What a device can do at most, measured in the run that reports shares of it.
#pragma once
#include <string>
#include <vector>

#include "../base/control.h"
#include "../base/dtype.h"

namespace mt {

struct Peaks {
  struct Arithmetic {
    std::string instruction;  // "avx512", "mma.sync bf16"
    double flops;             // a second; a multiply-add counts two
  };
  std::vector<Arithmetic> arithmetic;  // only what the device has
  double read = 0;                     // bytes a second from memory, past all caches
  std::string by_dtype[3];             // by DType of the weights: the instruction that their products go through
};

// Of the CPU backend with `threads` threads and the kernels that make_cpu_backend() would choose.
// Takes half a GiB and a few seconds. Throws ABORTED, OUT_OF_MEMORY, DEVICE_UNAVAILABLE.
Peaks measure_cpu_peaks(int threads, const Control& control);

// The same of one thread of plain C++: of the reference backend.
Peaks measure_scalar_peaks(const Control& control);

}  // namespace mt
