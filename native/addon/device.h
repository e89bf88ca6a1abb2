// Where a model runs, by the names that JavaScript gives, and the GPUs there are.
#pragma once
#include <napi.h>

#include <memory>
#include <string>

#include "../backend/backend.h"

namespace mt::addon {

struct DeviceName {
  enum class Kind { kReference, kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int ordinal = 0;  // of kCuda
};

// "reference", "cpu" or "cuda:N"; throws INVALID_ARGUMENT.
DeviceName read_device(const std::string& name);

// Throws DEVICE_UNAVAILABLE, with the reason, where this machine or this build lacks it. `threads` 0: one a core.
std::unique_ptr<Backend> make_backend(DeviceName device, int threads);

// gpus() of src/binding.ts: takes no memory of any GPU.
Napi::Value gpus(const Napi::CallbackInfo& info);

// gpuFreeBytes() of src/binding.ts.
Napi::Value gpu_free_bytes(const Napi::CallbackInfo& info);

}  // namespace mt::addon
