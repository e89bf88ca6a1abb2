// The devices and number types that JavaScript names, and the backends they stand for.
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
  int ordinal = 0;  // number of the GPU, if kind is kCuda
};

// Reads "reference", "cpu" or "cuda:N". Throws INVALID_ARGUMENT.
DeviceName read_device(const std::string& name);

// Reads a number of threads; 0 means one for each core. Throws INVALID_ARGUMENT.
int read_threads(Napi::Value value);

// The options that loading and benchmarks share (NativeLoadOptions of src/native/types.ts).
struct RunOptions {
  DType dtype;
  DeviceName device;
  int threads;
};

// Throws INVALID_ARGUMENT.
RunOptions read_run_options(Napi::Value value);

// Throws DEVICE_UNAVAILABLE, with the reason, if this machine or this build lacks the device.
std::unique_ptr<Backend> make_backend(DeviceName device, int threads);

// Measures the device's peaks. Throws what make_backend() throws, and ABORTED, OUT_OF_MEMORY.
Peaks measure_peaks(DeviceName device, int threads, const Control& control);

}  // namespace mt::addon
