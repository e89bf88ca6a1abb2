// Timing by CUDA events. In the simulator, which runs a launch at once, it is by the clock.
#include "gpu_timing.h"

#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "base/error.h"

#ifndef MT_DEVICE_HOST
#include <cuda_runtime.h>
#endif

namespace mt::bench {

void row(const std::string& what, const char* figures, ...) {
  std::printf("row\t%s\t", what.c_str());
  va_list arguments;
  va_start(arguments, figures);
  std::vprintf(figures, arguments);
  va_end(arguments);
  std::printf("\n");
  std::fflush(stdout);
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

#ifdef MT_DEVICE_HOST

DeviceTimer::DeviceTimer(Device& device) : device_(device) {}
void DeviceTimer::DestroyEvent::operator()(void*) const noexcept {}
void DeviceTimer::start() { host_begin_ = seconds_now(); }
double DeviceTimer::stop() {
  device_.wait();
  return seconds_now() - host_begin_;
}

#else

namespace {

void check(cudaError_t error) {
  if (error != cudaSuccess) throw Error(ErrorCode::INTERNAL, std::string("timing: ") + cudaGetErrorString(error));
}

cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }
cudaStream_t stream_of(const Device& device) { return static_cast<cudaStream_t>(device.stream()); }

}  // namespace

DeviceTimer::DeviceTimer(Device& device) : device_(device) {
  device.select();
  for (auto* mark : {&begin_, &end_}) {
    cudaEvent_t event;
    check(cudaEventCreate(&event));
    mark->reset(event);
  }
}
void DeviceTimer::DestroyEvent::operator()(void* event) const noexcept { cudaEventDestroy(event_of(event)); }
void DeviceTimer::start() { check(cudaEventRecord(event_of(begin_.get()), stream_of(device_))); }
double DeviceTimer::stop() {
  check(cudaEventRecord(event_of(end_.get()), stream_of(device_)));
  check(cudaEventSynchronize(event_of(end_.get())));
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, event_of(begin_.get()), event_of(end_.get())));
  return milliseconds / 1e3;
}

#endif

std::vector<double> time_in_turns(Device& device, const std::vector<std::function<void(int)>>& sides, int samples,
                                  double sample_seconds) {
  DeviceTimer timer(device);
  std::vector<int> calls;
  for (const auto& side : sides) {
    side(0);  // the first call may load code, so it is not timed
    timer.start();
    side(1);
    const double one = std::max(timer.stop(), 1e-9);  // a call may be shorter than the clock can tell
    calls.push_back(static_cast<int>(std::clamp(std::ceil(sample_seconds / one), 1.0, 1000.0)));
  }
  std::vector<std::vector<double>> times(sides.size());
  std::vector<int> turn(sides.size(), 0);
  for (int sample = 0; sample < samples; sample++)
    for (size_t s = 0; s < sides.size(); s++) {
      timer.start();
      for (int i = 0; i < calls[s]; i++) sides[s](turn[s]++);
      times[s].push_back(timer.stop() / calls[s]);
    }
  std::vector<double> medians;
  for (const std::vector<double>& of_side : times) medians.push_back(median(of_side));
  return medians;
}

}  // namespace mt::bench
