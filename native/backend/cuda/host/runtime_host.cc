// The host as a device: memory allocated to the byte, for AddressSanitizer, and filled with NaNs.
#include <cstdlib>
#include <cstring>
#include <new>

#include "../../../base/error.h"
#include "../runtime.h"

namespace mt::MT_TARGET {

std::vector<DeviceInfo> list_devices(std::string&) {
  return {{.name = "host", .major = 8, .total_bytes = size_t{1} << 34, .multiprocessors = 1, .l2_bytes = 1 << 16}};
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  std::string reason;
  if (ordinal != 0)
    throw Error(ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal) + ": the host is cuda:0");
  info_ = list_devices(reason)[0];
}
Device::~Device() = default;
void Device::select() {}

void* Device::allocate(size_t bytes) {
  void* p = ::operator new(bytes, std::align_val_t{256}, std::nothrow);
  if (!p) throw Error(ErrorCode::OUT_OF_MEMORY, "no memory for " + std::to_string(bytes) + " bytes on the host device");
  std::memset(p, 0xff, bytes);
  return p;
}
void Device::free(void* p) noexcept { ::operator delete(p, std::align_val_t{256}); }
size_t Device::free_bytes() { return info_.total_bytes; }

void Device::zero(void* device, size_t bytes) { std::memset(device, 0, bytes); }
void Device::upload(void* device, const void* host, size_t bytes) { std::memcpy(device, host, bytes); }
void Device::download(void* host, const void* device, size_t bytes) { std::memcpy(host, device, bytes); }
void Device::wait() {}

}  // namespace mt::MT_TARGET
