// What the GPU benchmarks share: time on the device, rows for gpu-check's table, and memory filled on the device.
// They are built twice, as the tests are (test/native/cuda_target.h): the host device layer runs their logic at tiny
// sizes, and its times mean nothing.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/device/types.h"
#include "backend/cuda/runtime/runtime.h"

namespace mt::bench {

using MT_TARGET::bf16;
using MT_TARGET::Device;
using MT_TARGET::DeviceMemory;
using MT_TARGET::f16;

// Dense bf16 and f16 products of an H100 SXM and an H200, by their data sheet.
constexpr double kPeakTflops = 989;

// A row of gpu-check's table.
[[gnu::format(printf, 2, 3)]] void row(const std::string& what, const char* figures, ...);

// Seconds between two points of the device's stream.
class DeviceTimer {
 public:
  explicit DeviceTimer(Device& device);
  void start();
  double stop();  // waits

 private:
  struct DestroyEvent {
    void operator()(void* event) const noexcept;
  };

  Device& device_;
  std::unique_ptr<void, DestroyEvent> begin_, end_;  // cudaEvent_t
  double host_begin_ = 0;                            // of the host device layer
};

double seconds_now();

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Sides that take turns: the median seconds of a call of each. A sample is as many calls as take `sample_seconds`
// together; `call(i)` may use i to rotate its buffers.
std::vector<double> time_in_turns(Device& device, const std::vector<std::function<void(int)>>& sides, int samples,
                                  double sample_seconds);

// Random numbers in -scale .. scale, rounded to T, made on the device.
template <class T>
void fill_random(Device& device, T* to, int64_t count, uint32_t seed, float scale);

}  // namespace mt::bench
