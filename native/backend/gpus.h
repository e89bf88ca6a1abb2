// The GPUs of this machine. The list of sources chooses who answers: backend/cuda/gpus.cc, or in a build for CPUs alone
// backend/no_cuda.cc, which has none.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "peak.h"

namespace mt {

struct Gpu {
  std::string name;
  std::string compute_capability;  // "9.0"
  int multiprocessors = 0;
  size_t total_bytes = 0;
  std::string driver;   // the newest CUDA that the driver knows: "12.4"
  std::string runtime;  // the CUDA of this build
};

struct Gpus {
  std::vector<Gpu> gpus;
  std::string reason;  // why there are none; empty where there are
};

// Takes no memory of any GPU.
Gpus list_gpus();

// The other functions take the index of a GPU in list_gpus() and throw DEVICE_UNAVAILABLE, with the reason, where there
// is no such GPU.

// Makes the process's context of the GPU, which stays and which make_gpu_backend() finds.
size_t gpu_free_bytes(int ordinal);

std::unique_ptr<Backend> make_gpu_backend(int ordinal);

// Takes sixteen times the GPU's L2 cache and about a second. Throws ABORTED and OUT_OF_MEMORY too.
Peaks measure_gpu_peaks(int ordinal, const Control& control);

}  // namespace mt
