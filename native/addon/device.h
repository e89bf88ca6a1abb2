// Where a model runs, by the names that JavaScript gives, and the GPUs there are.
#pragma once
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "../backend/backend.h"
#include "../backend/peak.h"

namespace mt::addon {

struct DeviceName {
  enum class Kind { kReference, kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int ordinal = 0;  // of kCuda
};

// "reference", "cpu" or "cuda:N"; throws INVALID_ARGUMENT.
DeviceName read_device(const std::string& name);

// 0: one a core; throws INVALID_ARGUMENT.
int read_threads(Napi::Value value);

// NativeLoadOptions of src/binding.ts.
struct RunOptions {
  DType dtype;
  DeviceName device;
  int threads;
};

// Throws INVALID_ARGUMENT.
RunOptions read_run_options(Napi::Value value);

// Throws DEVICE_UNAVAILABLE, with the reason, where this machine or this build lacks it. `threads` 0: one a core.
std::unique_ptr<Backend> make_backend(DeviceName device, int threads);

// What the device can do at most; errors as make_backend(), and ABORTED, OUT_OF_MEMORY.
Peaks measure_peaks(DeviceName device, int threads, const Control& control);

// NativeGpu of src/binding.ts.
struct Gpu {
  std::string name;
  std::string compute_capability;
  int multiprocessors = 0;
  size_t total_bytes = 0;
  std::string driver;
  std::string runtime;
};

struct Gpus {
  std::vector<Gpu> gpus;
  std::string reason;  // why there are none; empty where there are
};

// Takes no memory of any GPU.
Gpus list_gpus();

// Makes the process's context of the GPU, which a load finds then: see Device. Throws DEVICE_UNAVAILABLE.
size_t gpu_free_bytes(int ordinal);

}  // namespace mt::addon
