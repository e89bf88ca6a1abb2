// The CUDA runtime, linked statically: it looks for the driver at its first call, so the addon loads without one.
#include <cuda_runtime.h>

#include "../../base/error.h"
#include "runtime.h"

namespace mt::MT_TARGET {
namespace {

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

void check(cudaError_t error, ErrorCode code, const std::string& what) {
  if (error == cudaSuccess) return;
  if (error == cudaErrorMemoryAllocation) code = ErrorCode::OUT_OF_MEMORY;
  throw Error(code, what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

void check(cudaError_t error, const std::string& what) { check(error, ErrorCode::INTERNAL, what); }

}  // namespace

std::vector<DeviceInfo> list_devices(std::string& reason) {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();  // forget it
    if (driver == 0) {
      reason = "no NVIDIA driver (libcuda.so.1) on this machine";
    } else if (error == cudaErrorInsufficientDriver) {
      reason = "the NVIDIA driver speaks CUDA " + version(driver) + ", this build needs " + version(runtime);
    } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
      reason = "the NVIDIA driver sees no device (is CUDA_VISIBLE_DEVICES set?)";
    } else {
      reason = std::string("the NVIDIA driver fails: ") + cudaGetErrorString(error);
    }
    return {};
  }
  std::vector<DeviceInfo> devices;
  for (int i = 0; i < count; i++) {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, i), ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(i));
    devices.push_back({properties.name, properties.major, properties.minor, properties.totalGlobalMem,
                       properties.multiProcessorCount, driver, runtime, static_cast<size_t>(properties.l2CacheSize)});
  }
  return devices;
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  std::string reason;
  const std::vector<DeviceInfo> devices = list_devices(reason);
  const std::string name = "cuda:" + std::to_string(ordinal);
  if (devices.empty()) throw Error(ErrorCode::DEVICE_UNAVAILABLE, name + ": " + reason);
  if (ordinal < 0 || static_cast<size_t>(ordinal) >= devices.size())
    throw Error(ErrorCode::DEVICE_UNAVAILABLE,
                name + ": this machine has " + std::to_string(devices.size()) + " CUDA devices, counted from 0");
  info_ = devices[ordinal];
  if (info_.major < 8)
    throw Error(ErrorCode::DEVICE_UNAVAILABLE, name + " (" + info_.name + ") has compute capability " +
                                                   std::to_string(info_.major) + "." + std::to_string(info_.minor) +
                                                   "; the kernels need 8.0 or higher");
  select();
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), ErrorCode::DEVICE_UNAVAILABLE, name);
  stream_ = stream;
}

Device::~Device() { cudaStreamDestroy(static_cast<cudaStream_t>(stream_)); }

void Device::select() {
  check(cudaSetDevice(ordinal_), ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal_));
}

void* Device::allocate(size_t bytes) {
  select();
  void* p = nullptr;
  const cudaError_t error = cudaMalloc(&p, bytes);
  if (error == cudaErrorMemoryAllocation) cudaGetLastError();  // not sticky: the next call may ask for less
  check(error, "no " + std::to_string(bytes) + " bytes on " + info_.name);
  return p;
}
void Device::free(void* p) noexcept { cudaFree(p); }

size_t Device::free_bytes() {
  select();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory of " + info_.name);
  return free;
}

void Device::zero(void* device, size_t bytes) {
  select();
  check(cudaMemsetAsync(device, 0, bytes, static_cast<cudaStream_t>(stream_)), "zeroing memory");
}
void Device::upload(void* device, const void* host, size_t bytes) {
  select();
  const auto stream = static_cast<cudaStream_t>(stream_);
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), "copy to the device");
}
void Device::download(void* host, const void* device, size_t bytes) {
  select();
  const auto stream = static_cast<cudaStream_t>(stream_);
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "copy from the device");
  wait();
}
void Device::wait() {
  select();
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream_)), "work on " + info_.name);
}

}  // namespace mt::MT_TARGET
