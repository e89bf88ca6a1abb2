// gpus.h over the CUDA runtime, which looks for the driver when it is first asked.
#include "../gpus.h"

#include "cuda_backend.h"
#include "peak/peak.h"
#include "runtime/runtime.h"

namespace mt {
namespace {

std::string cuda_version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

}  // namespace

Gpus list_gpus() {
  Gpus found;
  for (const MT_TARGET::DeviceInfo& gpu : MT_TARGET::list_devices(found.reason)) {
    found.gpus.push_back({.name = gpu.name,
                          .compute_capability = std::to_string(gpu.major) + "." + std::to_string(gpu.minor),
                          .multiprocessors = gpu.multiprocessors,
                          .total_bytes = gpu.total_bytes,
                          .driver = cuda_version(gpu.driver),
                          .runtime = cuda_version(gpu.runtime)});
  }
  return found;
}

size_t gpu_free_bytes(int ordinal) { return MT_TARGET::Device(ordinal).free_bytes(); }

std::unique_ptr<Backend> make_gpu_backend(int ordinal) { return MT_TARGET::make_backend(ordinal); }

Peaks measure_gpu_peaks(int ordinal, const Control& control) { return MT_TARGET::measure_peaks(ordinal, control); }

}  // namespace mt
