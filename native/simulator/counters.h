// Counts what all devices of the simulator have been asked for, so that tests can bound what a pack or a step costs,
// and steps in at a certain point of it.
#pragma once
#include <cstdint>
#include <functional>

namespace mt::host_device {

struct Counters {
  int64_t allocations = 0;  // calls that took device memory or pinned memory
  int64_t bytes = 0;        // device memory that is held now
  int64_t waits = 0;        // how often the host has waited for the device
  int64_t launches = 0;
  int64_t handles = 0;         // streams and events that exist now
  int64_t memory_queries = 0;  // how often the device was asked for its free memory
};

Counters counters();

// After `made` more streams and events, refuses the next one, but not those after it.
void fail_handle_after(int made);

// Calls `then` before the launch that comes after `made` more; an empty function calls off one that has not come.
void call_before_launch(int made, std::function<void()> then);

// Whether the calling thread has made or selected a Device. On a GPU this gives the thread the context without which
// the driver makes no tensor map.
bool is_device_selected();

}  // namespace mt::host_device
