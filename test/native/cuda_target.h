// For tests of the CUDA backend that are built twice: as cuda_*_test in the simulator, everywhere, and with
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

// The exit code by which a test tells CTest that it cannot run here.
constexpr int kSkipped = 77;

// Whether there is no device to test on. Prints the reason if there is none.
inline bool no_device() {
  std::string reason;
  if (!MT_TARGET::list_devices(reason).empty()) return false;
  std::printf("skipped: %s\n", reason.c_str());
  return true;
}

// Whether $MT_LLAMA_REDUCED asks for a few small cases, because compute-sanitizer makes kernels many times slower.
inline bool reduced() { return std::getenv("MT_LLAMA_REDUCED") != nullptr; }

#ifdef MT_DEVICE_HOST
constexpr bool kFibers = true;  // the simulator is slow too
#else
constexpr bool kFibers = false;
#endif

// Sets the simulator's order of threads. A GPU has an order of its own, so there this does nothing.
inline void run_threads_backwards([[maybe_unused]] bool backwards) {
#ifdef MT_DEVICE_HOST
  host_device::set_schedule(backwards ? host_device::Schedule::kBackward : host_device::Schedule::kForward);
#endif
}

// Backends made from now on have a device of this compute capability: 8, or 9 to run the kernels for Hopper. A GPU has
// a capability of its own, so there this does nothing.
inline void pretend_capability([[maybe_unused]] int major) {
#ifdef MT_DEVICE_HOST
  host_device::set_compute_capability(major);
#endif
}

}  // namespace mt::test
