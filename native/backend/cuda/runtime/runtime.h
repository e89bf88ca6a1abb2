// Memory and copies of one device, and the order of its work. runtime_cuda.cc implements it over the CUDA runtime,
// native/simulator/runtime.cc on the CPU.
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
  int driver = 0;   // the newest CUDA that the driver knows, as CUDA counts: 12040 is 12.4; 0 in the simulator
  int runtime = 0;  // the CUDA of this build
  size_t l2_bytes = 0;
};

// Lists the devices of this machine. If there is none, `reason` says why: no driver, one that is too old, no device.
std::vector<DeviceInfo> list_devices(std::string& reason);

// The two queues of a device. Each works in order, independently of the other: kCompute runs the ops, kCopy uploads
// weights.
enum class Lane : uint8_t { kCompute, kCopy };

// One device and its lanes.
// Members throw Error: OUT_OF_MEMORY, DEVICE_UNAVAILABLE, or INTERNAL if the device fails. Such a failure may come from
// any op queued since the last wait. Destructors and the functions that free memory never throw.
//
// The first Device of a GPU makes the CUDA runtime's context there, which all later ones of the process use. It is
// never given up: free memory cannot be asked for without a context, and cudaDeviceReset(), which alone destroys it,
// would free the memory of every other Device of that GPU too.
class Device {
 public:
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }

  // Makes this the calling thread's device, which launches, allocations and tensor maps need. Members call it
  // themselves.
  void select();

  // Returns memory aligned to 256 bytes; its contents are undefined (NaNs in the simulator).
  void* allocate(size_t bytes);
  // Waits for all queued work, which may use the memory, then frees it.
  void free(void* p) noexcept;
  size_t free_bytes();

  // Host memory for queued copies.
  void* allocate_pinned(size_t bytes);
  void free_pinned(void* p) noexcept;

  void zero(void* device, size_t bytes, Lane lane = Lane::kCompute);
  // Queues a copy of `height` pieces of `width` bytes, which lie densely in pinned memory, to places `pitch` bytes
  // apart on the device. The pinned memory must not change until an Event tells that the copy is done.
  void queue_upload(void* device, size_t pitch, const void* pinned, size_t width, size_t height, Lane lane);
  void queue_download(void* pinned, const void* device, size_t bytes);
  // Queues a copy within the device on kCompute.
  void copy(void* to, const void* from, size_t bytes);

  // These take any host memory. They wait for all work queued on kCompute.
  void upload(void* device, const void* host, size_t bytes);
  void download(void* host, const void* device, size_t bytes);
  // Waits for all work queued on kCompute.
  void wait();

  // Sets the name of the op that queues work from now on, for messages of errors.
  void set_op(const char* name) { op_ = name; }
  const char* op() const { return op_; }

  // The cudaStream_t of a lane.
  void* stream(Lane lane = Lane::kCompute) const { return lanes_[int(lane)].get(); }
  // Exists in the simulator only, which calls it before it runs a kernel: does the queued copies, counts the launch.
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

// Marks a place in a lane's queue.
class Event {
 public:
  explicit Event(Device& device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Marks the place after all work that is queued on the lane now.
  void record(Lane lane);
  // Waits until the work before the marked place is done; returns at once if no place is marked.
  void wait();
  // Makes work queued on the lane from now on wait for the marked place. The host does not wait.
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
