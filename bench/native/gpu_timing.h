// Shared by the GPU benchmarks: time on the device, rows for gpu-check's table, and memory filled on the device.
// The benchmarks are built twice, as the tests are (test/native/cuda_target.h): the simulator runs their logic at tiny
// sizes, where times mean nothing.
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

// The peak of dense bf16 and f16 products on an H100 SXM and an H200, by their data sheet.
constexpr double kPeakTflops = 989;

// Prints a row for gpu-check's table.
[[gnu::format(printf, 2, 3)]] void row(const std::string& what, const char* figures, ...);

// Measures seconds between two points of the device's stream.
class DeviceTimer {
 public:
  explicit DeviceTimer(Device& device);
  void start();
  double stop();  // waits for the work in between

 private:
  struct DestroyEvent {
    void operator()(void* event) const noexcept;
  };

  Device& device_;
  std::unique_ptr<void, DestroyEvent> begin_, end_;  // cudaEvent_t
  double host_begin_ = 0;                            // used in the simulator
};

double seconds_now();

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Times several sides in turns and returns the median seconds of a call of each. A sample is as many calls as take
// `sample_seconds` together. A side is called as side(i) and may use i to rotate its buffers.
std::vector<double> time_in_turns(Device& device, const std::vector<std::function<void(int)>>& sides, int samples,
                                  double sample_seconds);

// Random numbers in -scale .. scale, rounded to T, made on the device.
template <class T>
void fill_random(Device& device, T* to, int64_t count, uint32_t seed, float scale);

}  // namespace mt::bench
