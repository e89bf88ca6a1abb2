// Memory, copies and launches of one device. runtime_cuda.cc speaks to the CUDA runtime, host/ runs on the CPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "target.h"

namespace mt::MT_TARGET {

struct DeviceInfo {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  size_t total_bytes = 0;
  int multiprocessors = 0;
  int driver = 0;   // as CUDA counts: 12040 is 12.4; 0 on the host
  int runtime = 0;  // that of this build
  size_t l2_bytes = 0;
};

// The devices there are. Where there is none, `reason` says why: no driver, one that is too old, no device.
std::vector<DeviceInfo> list_devices(std::string& reason);

// One device and one stream; work is queued in order. Not copyable: memory belongs to it.
// Every member throws Error: OUT_OF_MEMORY, DEVICE_UNAVAILABLE, or INTERNAL for a failure of the device.
class Device {
 public:
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }

  // Makes it the calling thread's device, which launches and allocations need; the members do it themselves.
  void select();

  // 256-byte aligned; the contents are undefined (NaNs on the host).
  void* allocate(size_t bytes);
  void free(void* p) noexcept;
  size_t free_bytes();

  void zero(void* device, size_t bytes);
  // Returns when `host` may be written again.
  void upload(void* device, const void* host, size_t bytes);
  // Waits for all queued work and the copy.
  void download(void* host, const void* device, size_t bytes);
  void wait();

  // The cudaStream_t that launch() queues on; null on the host.
  void* stream() const { return stream_; }

 private:
  DeviceInfo info_;
  int ordinal_;
  void* stream_ = nullptr;
};

// Memory of a device, freed with the object.
class DeviceMemory {
 public:
  DeviceMemory(Device& device, size_t bytes) : device_(&device), data_(device.allocate(bytes)), bytes_(bytes) {}
  ~DeviceMemory() { device_->free(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  Device* device_;
  void* data_;
  size_t bytes_;
};

}  // namespace mt::MT_TARGET
