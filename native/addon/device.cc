// MT_LLAMA_CUDA: this build has the CUDA backend. Its runtime looks for the driver when it is first asked.
#include "device.h"

#include <charconv>

#include "../base/cpu_info.h"
#include "javascript.h"
#ifdef MT_LLAMA_CUDA
#include "../backend/cuda/cuda_backend.h"
#include "../backend/cuda/peak.h"
#endif

namespace mt::addon {
namespace {

#ifdef MT_LLAMA_CUDA

std::unique_ptr<Backend> make_cuda_backend(int ordinal) { return MT_TARGET::make_backend(ordinal); }

std::string cuda_version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

Gpus find_gpus() {
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

Peaks measure_cuda_peaks(int ordinal, const Control& control) { return MT_TARGET::measure_peaks(ordinal, control); }

size_t free_bytes(int ordinal) { return MT_TARGET::Device(ordinal).free_bytes(); }

#else

constexpr const char* kNoCuda =
    "this build of mt-llama has no CUDA; in a clone, on a machine with nvcc, `npm run build:cuda` makes one, which "
    "MT_LLAMA_PREBUILD=build/cuda loads";

[[noreturn]] void no_cuda(int ordinal) {
  throw Error(ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal) + ": " + kNoCuda);
}

std::unique_ptr<Backend> make_cuda_backend(int ordinal) { no_cuda(ordinal); }
Peaks measure_cuda_peaks(int ordinal, const Control&) { no_cuda(ordinal); }
Gpus find_gpus() { return {{}, kNoCuda}; }
size_t free_bytes(int ordinal) { no_cuda(ordinal); }

#endif

DType read_dtype(const std::string& name) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "dtype is " + name + ", expected float32, bfloat16 or float16");
}

}  // namespace

DeviceName read_device(const std::string& name) {
  using Kind = DeviceName::Kind;
  if (name == "cpu") return {Kind::kCpu};
  if (name == "reference") return {Kind::kReference};
  const std::string prefix = "cuda:";
  if (name.starts_with(prefix)) {
    DeviceName device = {Kind::kCuda};
    const char *begin = name.data() + prefix.size(), *end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(begin, end, device.ordinal);
    if (error == std::errc() && stop == end && device.ordinal >= 0) return device;
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "device is " + name + ", expected cpu, reference or cuda:N");
}

int read_threads(Napi::Value value) {
  constexpr int kMostThreads = 1024;
  return static_cast<int>(read_integer(value, "threads", 0, kMostThreads));
}

RunOptions read_run_options(Napi::Value value) {
  const Napi::Object object = read_object(value, "options");
  return {.dtype = read_dtype(read_string(object["dtype"], "dtype")),
          .device = read_device(read_string(object["device"], "device")),
          .threads = read_threads(object["threads"])};
}

std::unique_ptr<Backend> make_backend(DeviceName device, int threads) {
  switch (device.kind) {
    case DeviceName::Kind::kReference:
      return make_reference_backend();
    case DeviceName::Kind::kCuda:
      return make_cuda_backend(device.ordinal);
    case DeviceName::Kind::kCpu:
      break;
  }
  return make_cpu_backend(threads == 0 ? usable_threads() : threads);
}

Peaks measure_peaks(DeviceName device, int threads, const Control& control) {
  switch (device.kind) {
    case DeviceName::Kind::kReference:
      return measure_scalar_peaks(control);
    case DeviceName::Kind::kCuda:
      return measure_cuda_peaks(device.ordinal, control);
    case DeviceName::Kind::kCpu:
      break;
  }
  return measure_cpu_peaks(threads == 0 ? usable_threads() : threads, control);
}

Gpus list_gpus() { return find_gpus(); }
size_t gpu_free_bytes(int ordinal) { return free_bytes(ordinal); }

}  // namespace mt::addon
