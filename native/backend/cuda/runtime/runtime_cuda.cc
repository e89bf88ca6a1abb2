// runtime.h over the CUDA runtime. It is linked statically and looks for the driver at its first call, so that the
// addon loads on machines without one.
#include <cuda_runtime.h>

#include "../../../base/error.h"
#include "runtime.h"

namespace mt::MT_TARGET {
namespace {

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

void check(cudaError_t error, ErrorCode code, const std::string& what) {
  if (error == cudaSuccess) return;
  if (error == cudaErrorMemoryAllocation) code = ErrorCode::OUT_OF_MEMORY;
  throw Error(code, what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

cudaStream_t stream_of(const Device& device, Lane lane = Lane::kCompute) {
  return static_cast<cudaStream_t>(device.stream(lane));
}

void check(cudaError_t error, const std::string& what) { check(error, ErrorCode::INTERNAL, what); }

}  // namespace

std::vector<DeviceInfo> list_devices(std::string& reason) {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();  // clears the error
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
  for (auto& lane : lanes_) {
    cudaStream_t stream;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), ErrorCode::DEVICE_UNAVAILABLE, name);
    lane.reset(stream);
  }
}

Device::~Device() { cudaSetDevice(ordinal_); }

void Device::DestroyStream::operator()(void* stream) const noexcept {
  cudaStreamDestroy(static_cast<cudaStream_t>(stream));
}

void Device::select() {
  check(cudaSetDevice(ordinal_), ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal_));
}

void* Device::allocate(size_t bytes) {
  select();
  void* p = nullptr;
  const cudaError_t error = cudaMalloc(&p, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // clears the error: the next call may ask for less
    throw Error(ErrorCode::OUT_OF_MEMORY, std::string(op_) + ": no " + std::to_string(bytes) + " bytes on " +
                                              info_.name + ", where " + std::to_string(free_bytes()) + " are free");
  }
  check(error, "allocating memory on " + info_.name);
  return p;
}
void Device::free(void* p) noexcept {
  if (!p) return;
  cudaSetDevice(ordinal_);
  // By its documentation cudaFree() may wait for queued work, but need not.
  for (const auto& lane : lanes_) cudaStreamSynchronize(static_cast<cudaStream_t>(lane.get()));
  cudaFree(p);
}

size_t Device::free_bytes() {
  select();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory of " + info_.name);
  return free;
}

void* Device::allocate_pinned(size_t bytes) {
  select();
  void* p = nullptr;
  const cudaError_t error = cudaHostAlloc(&p, bytes, cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) cudaGetLastError();
  check(error, "no " + std::to_string(bytes) + " bytes of pinned memory");
  return p;
}
void Device::free_pinned(void* p) noexcept {
  if (!p) return;
  cudaSetDevice(ordinal_);
  cudaFreeHost(p);
}

void Device::zero(void* device, size_t bytes, Lane lane) {
  select();
  check(cudaMemsetAsync(device, 0, bytes, stream_of(*this, lane)), "zeroing memory");
}
void Device::queue_upload(void* device, size_t pitch, const void* pinned, size_t width, size_t height, Lane lane) {
  select();
  const cudaStream_t stream = stream_of(*this, lane);
  const cudaError_t error =
      height == 1 ? cudaMemcpyAsync(device, pinned, width, cudaMemcpyHostToDevice, stream)
                  : cudaMemcpy2DAsync(device, pitch, pinned, width, width, height, cudaMemcpyHostToDevice, stream);
  check(error, "copy to the device");
}
void Device::queue_download(void* pinned, const void* device, size_t bytes) {
  select();
  check(cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, stream_of(*this)), "copy from the device");
}

void Device::copy(void* to, const void* from, size_t bytes) {
  select();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(*this)), "copy within the device");
}

void Device::upload(void* device, const void* host, size_t bytes) {
  select();
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_of(*this)), "copy to the device");
  wait();  // the runtime may still be reading memory that is not pinned
}
void Device::download(void* host, const void* device, size_t bytes) {
  select();
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_of(*this)), "copy from the device");
  wait();
}
void Device::wait() {
  select();
  check(cudaStreamSynchronize(stream_of(*this)), std::string("work on ") + info_.name + " up to " + op_);
}

Event::Event(Device& device) : device_(device) {
  device.select();
  cudaEvent_t event;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  handle_ = event;
}
Event::~Event() { cudaEventDestroy(static_cast<cudaEvent_t>(handle_)); }

void Event::record(Lane lane) {
  device_.select();
  check(cudaEventRecord(static_cast<cudaEvent_t>(handle_), stream_of(device_, lane)), "an event");
}
void Event::wait() {
  device_.select();
  check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), std::string("work up to ") + device_.op());
}
void Event::hold(Lane lane) {
  device_.select();
  check(cudaStreamWaitEvent(stream_of(device_, lane), static_cast<cudaEvent_t>(handle_), 0), "an event");
}

}  // namespace mt::MT_TARGET
