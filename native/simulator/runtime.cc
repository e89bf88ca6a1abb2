// The host as a device. Memory is allocated to the byte, for AddressSanitizer, and filled with NaNs. Copies from and to
// pinned memory are put off until a kernel of their lane runs or somebody waits, so that it shows if memory is written
// again too early.
//   MT_LLAMA_HOST_DEVICE_BYTES   the memory of the device, 16 GiB by default; tests set it
#include "../backend/cuda/runtime/runtime.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

#include "../base/error.h"
#include "counters.h"
#include "fibers.h"

namespace mt::MT_TARGET {
namespace {

std::atomic<int64_t> allocations, waits, launches, handles, memory_queries;
std::atomic<int> handles_until_failure = -1;
thread_local bool selected = false;
int launches_until_call = 0;
std::function<void()> call;

// The device memory that all devices of the process hold.
struct Held {
  std::mutex mutex;
  std::unordered_map<void*, size_t> pieces;
  size_t bytes = 0;
};
Held& held() {
  static Held held;
  return held;
}
size_t held_bytes() {
  const std::lock_guard lock(held().mutex);
  return held().bytes;
}

size_t total_bytes() {
  const char* text = std::getenv("MT_LLAMA_HOST_DEVICE_BYTES");
  return text ? std::strtoull(text, nullptr, 10) : size_t{1} << 34;
}

constexpr std::align_val_t kAlignment{256};

struct HostLane {
  std::deque<std::function<void()>> pending;
  int64_t done = 0;

  int64_t queued() const { return done + static_cast<int64_t>(pending.size()); }
  // Does the work queued before `position`. Returns whether there was any.
  bool run_to(int64_t position) {
    const bool any = done < position;
    for (; done < position; done++) {
      pending.front()();
      pending.pop_front();
    }
    return any;
  }
  bool run() { return run_to(queued()); }
};

struct HostEvent {
  HostLane* lane = nullptr;
  int64_t position = 0;
};

// Makes a stream or an event.
template <class T>
T* make_handle(ErrorCode code) {
  if (handles_until_failure >= 0 && handles_until_failure-- == 0)
    throw Error(code, "the host device has no more handles");
  T* handle = new T;
  handles++;
  return handle;
}
template <class T>
void destroy_handle(void* handle) {
  delete static_cast<T*>(handle);
  handles--;
}

HostLane& lane_of(void* lane) { return *static_cast<HostLane*>(lane); }

}  // namespace

Counters counters() {
  return {allocations, static_cast<int64_t>(held_bytes()), waits, launches, handles, memory_queries};
}
void fail_handle_after(int made) { handles_until_failure = made; }
void call_before_launch(int made, std::function<void()> then) {
  launches_until_call = made;
  call = std::move(then);
}
bool is_device_selected() { return selected; }

std::vector<DeviceInfo> list_devices(std::string&) {
  return {{.name = "host",
           .major = compute_capability(),
           .total_bytes = total_bytes(),
           .multiprocessors = 1,
           .l2_bytes = 1 << 16}};
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  std::string reason;
  if (ordinal != 0)
    throw Error(ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal) + ": the host is cuda:0");
  info_ = list_devices(reason)[0];
  select();
  for (auto& lane : lanes_) lane.reset(make_handle<HostLane>(ErrorCode::DEVICE_UNAVAILABLE));
}
Device::~Device() = default;
void Device::DestroyStream::operator()(void* stream) const noexcept { destroy_handle<HostLane>(stream); }
void Device::select() { selected = true; }

void* Device::allocate(size_t bytes) {
  const std::lock_guard lock(held().mutex);
  const size_t total = total_bytes(), taken = held().bytes;
  void* p = bytes > total || taken > total - bytes ? nullptr : ::operator new(bytes, kAlignment, std::nothrow);
  if (!p)
    throw Error(ErrorCode::OUT_OF_MEMORY, std::string(op_) + ": no " + std::to_string(bytes) +
                                              " bytes on the host device, where " +
                                              std::to_string(total > taken ? total - taken : 0) + " are free");
  std::memset(p, 0xff, bytes);
  allocations++;
  const Simulating simulating;
  held().pieces.emplace(p, bytes);
  held().bytes += bytes;
  return p;
}
void Device::free(void* p) noexcept {
  if (!p) return;
  for (const auto& lane : lanes_) lane_of(lane.get()).run();
  const std::lock_guard lock(held().mutex);
  const auto piece = held().pieces.find(p);
  held().bytes -= piece->second;
  held().pieces.erase(piece);
  ::operator delete(p, kAlignment);
}
size_t Device::free_bytes() {
  memory_queries++;
  const size_t total = total_bytes(), taken = held_bytes();
  return total > taken ? total - taken : 0;
}

void* Device::allocate_pinned(size_t bytes) {
  void* p = ::operator new(bytes, kAlignment, std::nothrow);
  if (!p) throw Error(ErrorCode::OUT_OF_MEMORY, "no memory for " + std::to_string(bytes) + " bytes beside the device");
  std::memset(p, 0xff, bytes);
  allocations++;
  return p;
}
void Device::free_pinned(void* p) noexcept { ::operator delete(p, kAlignment); }

void Device::zero(void* device, size_t bytes, Lane lane) {
  lane_of(stream(lane)).pending.emplace_back([=] { std::memset(device, 0, bytes); });
}
void Device::queue_upload(void* device, size_t pitch, const void* pinned, size_t width, size_t height, Lane lane) {
  lane_of(stream(lane)).pending.emplace_back([=] {
    for (size_t i = 0; i < height; i++)
      std::memcpy(static_cast<char*>(device) + i * pitch, static_cast<const char*>(pinned) + i * width, width);
  });
}
void Device::queue_download(void* pinned, const void* device, size_t bytes) {
  lane_of(stream()).pending.emplace_back([=] { std::memcpy(pinned, device, bytes); });
}

void Device::copy(void* to, const void* from, size_t bytes) {
  lane_of(stream()).pending.emplace_back([=] { std::memcpy(to, from, bytes); });
}

void Device::upload(void* device, const void* host, size_t bytes) {
  wait();
  std::memcpy(device, host, bytes);
}
void Device::download(void* host, const void* device, size_t bytes) {
  wait();
  std::memcpy(host, device, bytes);
}
void Device::wait() {
  lane_of(stream()).run();
  waits++;
}

void Device::before_launch() {
  lane_of(stream()).run();
  launches++;
  if (call && launches_until_call-- == 0) std::exchange(call, {})();
}

Event::Event(Device& device) : device_(device), handle_(make_handle<HostEvent>(ErrorCode::INTERNAL)) {}
Event::~Event() { destroy_handle<HostEvent>(handle_); }

void Event::record(Lane lane) {
  HostLane& queue = lane_of(device_.stream(lane));
  *static_cast<HostEvent*>(handle_) = {&queue, queue.queued()};
}
void Event::wait() {
  const auto& event = *static_cast<HostEvent*>(handle_);
  if (event.lane && event.lane->run_to(event.position)) waits++;
}
void Event::hold(Lane lane) {
  const auto& event = *static_cast<HostEvent*>(handle_);
  if (!event.lane) return;
  lane_of(device_.stream(lane)).pending.emplace_back([event] { event.lane->run_to(event.position); });
}

}  // namespace mt::MT_TARGET
