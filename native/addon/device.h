// Where a model runs, by the names that JavaScript gives.
#pragma once
#include <napi.h>

#include <memory>
#include <string>

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

}  // namespace mt::addon
