// Tests of the CUDA backend that are built twice: as cuda_*_test on the host device layer, everywhere, and with
// MT_LLAMA_CUDA as gpu_*_test on the GPU.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>

#include "backend/cuda/cuda_backend.h"
#ifdef MT_DEVICE_HOST
#include "simulator/fibers.h"
#endif

namespace mt::test {

// The exit code that CTest takes for "cannot run here".
constexpr int kSkipped = 77;

// Whether there is no device to test on; then it says why.
inline bool no_device() {
  std::string reason;
  if (!MT_TARGET::list_devices(reason).empty()) return false;
  std::printf("skipped: %s\n", reason.c_str());
  return true;
}

// Whether $MT_LLAMA_REDUCED asks for a few small cases: compute-sanitizer makes a kernel many times slower.
inline bool reduced() { return std::getenv("MT_LLAMA_REDUCED") != nullptr; }

#ifdef MT_DEVICE_HOST
constexpr bool kFibers = true;  // slow too
#else
constexpr bool kFibers = false;
#endif

// Of the host device layer; a GPU has an order of its own.
inline void run_threads_backwards([[maybe_unused]] bool backwards) {
#ifdef MT_DEVICE_HOST
  host_device::set_schedule(backwards ? host_device::Schedule::kBackward : host_device::Schedule::kForward);
#endif
}

// Backends made from now on are of a device with this compute capability: 8, or 9 for the kernels for Hopper. A GPU has
// one of its own.
inline void pretend_capability([[maybe_unused]] int major) {
#ifdef MT_DEVICE_HOST
  host_device::set_compute_capability(major);
#endif
}

}  // namespace mt::test
