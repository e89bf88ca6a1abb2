// What the host device layer has been asked for, over all its devices: tests hold a pack and a step to it.
#pragma once
#include <cstdint>

namespace mt::host_device {

struct Counters {
  int64_t allocations = 0;  // of device and of pinned memory
  int64_t bytes = 0;        // of device memory held now
  int64_t waits = 0;        // of the host for the device
  int64_t launches = 0;
  int64_t handles = 0;  // streams and events there are now
};

Counters counters();

// The stream or event that is asked for after `made` more is refused, the later ones are not.
void fail_handle_after(int made);

// Whether the calling thread has made or selected a Device: on a GPU that gives it the context which the driver wants
// for a tensor map.
bool is_device_selected();

}  // namespace mt::host_device
