// Memory, copies and launches of one device. runtime_cuda.cc speaks to the CUDA runtime, native/simulator runs on the
// CPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
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

// Queues of a device; each works in order, beside the other. Ops run on kCompute, kCopy brings weights up.
enum class Lane : uint8_t { kCompute, kCopy };

// One device and its lanes. Not copyable: memory belongs to it.
// Every member throws Error: OUT_OF_MEMORY, DEVICE_UNAVAILABLE, or INTERNAL for a failure of the device, which may be
// that of any op queued since the last wait; a freed or destroyed object never throws.
//
// The first Device of a GPU makes the CUDA runtime's context there, which stays for those that follow in the process:
// free memory cannot be asked for without one, and cudaDeviceReset(), which alone gives it up, would take the memory of
// every other Device of that GPU with it.
class Device {
 public:
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }

  // Makes it the calling thread's device, which launches, allocations and tensor maps need; the members do it
  // themselves.
  void select();

  // 256-byte aligned; the contents are undefined (NaNs on the host).
  void* allocate(size_t bytes);
  // Waits for what is queued.
  void free(void* p) noexcept;
  size_t free_bytes();

  // Host memory that queued copies may read and write.
  void* allocate_pinned(size_t bytes);
  void free_pinned(void* p) noexcept;

  void zero(void* device, size_t bytes, Lane lane = Lane::kCompute);
  // `height` pieces of `width` bytes, dense in pinned memory, `pitch` bytes apart on the device. Queued: the host
  // memory must stay as it is until an Event says so.
  void queue_upload(void* device, size_t pitch, const void* pinned, size_t width, size_t height, Lane lane);
  void queue_download(void* pinned, const void* device, size_t bytes);

  // Any host memory, on kCompute. Both wait for all that is queued there.
  void upload(void* device, const void* host, size_t bytes);
  void download(void* host, const void* device, size_t bytes);
  // For what is queued on kCompute.
  void wait();

  // Who queues work from now on, for the messages of errors: the name of an op.
  void set_op(const char* name) { op_ = name; }
  const char* op() const { return op_; }

  // The cudaStream_t of a lane.
  void* stream(Lane lane = Lane::kCompute) const { return lanes_[int(lane)].get(); }
  // Of the host device layer, before it runs a kernel: does the copies that are queued, and counts the launch.
  void before_launch();

 private:
  struct DestroyStream {
    void operator()(void* stream) const noexcept;
  };

  DeviceInfo info_;
  int ordinal_;
  const char* op_ = "loading";
  std::unique_ptr<void, DestroyStream> lanes_[2];  // cudaStream_t
};

// A place in a lane's queue.
class Event {
 public:
  explicit Event(Device& device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // After what is queued on the lane now.
  void record(Lane lane);
  // Until what was recorded is done; returns at once where nothing was.
  void wait();
  // What is queued on the lane from now on waits for it; the host does not.
  void hold(Lane lane);

 private:
  Device& device_;
  void* handle_ = nullptr;  // cudaEvent_t
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
