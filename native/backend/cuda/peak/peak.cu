// The peaks of a GPU, except those of Hopper's tensor cores (peak_sm90.cu). One kernel for each instruction runs
// independent chains of it on registers, and one sums over memory. Blocks have 256 threads, and there are as many as
// fill the multiprocessors. Bound by the instruction's rate, and by memory.
#include <algorithm>
#include <chrono>
#include <vector>

#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "peak.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 4;  // blocks of a multiprocessor; every GPU has room for their 1,024 threads
constexpr int kChains = 8;  // chains of a thread, enough to hide the latency of an instruction
constexpr int kLoads = 8;   // loads of 16 bytes that a thread has in flight

MT_DEVICE int global_thread() { return block_x() * kThreads + thread_index(); }

MT_KERNEL(kThreads, kBlocks) fma_peak_kernel(int steps, float* out) {
  const float x = 1.0f + static_cast<float>(lane_index()) * 1e-6f, y = 1e-9f;
  float sums[kChains];
#pragma unroll
  for (int j = 0; j < kChains; j++) sums[j] = static_cast<float>(thread_index() + j);
  for (int step = 0; step < steps; step++) {
#pragma unroll
    for (int j = 0; j < kChains; j++) sums[j] = fma_f32(sums[j], x, y);
  }
  float total = 0;
#pragma unroll
  for (int j = 0; j < kChains; j++) total += sums[j];
  out[global_thread()] = total;
}

// The operands lie in -1 .. 1 and differ from lane to lane: zeros would take less power and allow a higher clock.
template <class T>
MT_KERNEL(kThreads, kBlocks)
mma_peak_kernel(int steps, float* out) {
  uint32_t operands[6];
#pragma unroll
  for (int i = 0; i < 6; i++) {
    const int seed = (lane_index() * 6 + i) * 37 % 101;
    operands[i] = pack2<T>(static_cast<float>(seed - 50) / 50.0f, static_cast<float>(50 - seed * 3 % 101) / 50.0f);
  }
  const uint32_t a[4] = {operands[0], operands[1], operands[2], operands[3]};
  float c[kChains][4] = {};
  for (int step = 0; step < steps; step++) {
#pragma unroll
    for (int j = 0; j < kChains; j++) mma_m16n8k16<T>(c[j], a, operands[4], operands[5]);
  }
  float total = 0;
#pragma unroll
  for (int j = 0; j < kChains; j++) total += c[j][0] + c[j][1] + c[j][2] + c[j][3];
  out[global_thread()] = total;
}

// In each step a block reads kLoads pieces of 4 KiB, which lie grid_x() such pieces apart.
MT_KERNEL(kThreads, kBlocks) read_peak_kernel(const float* p, int64_t vectors, int passes, float* out) {
  const int64_t stride = static_cast<int64_t>(grid_x()) * kThreads;
  float total = 0;
  for (int pass = 0; pass < passes; pass++) {
    for (int64_t i = global_thread(); i + (kLoads - 1) * stride < vectors; i += kLoads * stride) {
      Vec16<float> v[kLoads];
#pragma unroll
      for (int j = 0; j < kLoads; j++) v[j] = load16(p + 4 * (i + j * stride));
#pragma unroll
      for (int j = 0; j < kLoads; j++) total += v[j].v[0] + v[j].v[1] + v[j].v[2] + v[j].v[3];
    }
  }
  out[global_thread()] = total;
}

class Meter {
 public:
  Meter(Device& device, const Control& control)
      : device_(device), control_(control), out_(device, size_t{sizeof(float)} * blocks() * kThreads) {}

  // Units per second of launch(steps), which does `units` in a step: the best of ten launches. Each is so long that the
  // 10 us or so for queueing it and waiting for it do not count.
  template <class Launch>
  double rate(double units, const Launch& launch) {
    constexpr double kEnough = 20e-3;
    int steps = 1;
    while (seconds(launch, steps) < kEnough && steps < 1 << 30) steps *= 2;
    double best = 1e9;
    for (int round = 0; round < 10; round++) best = std::min(best, seconds(launch, steps));
    return units * steps / best;
  }

  double fma() {
    return rate(2.0 * kChains * kThreads * blocks(), [&](int steps) {
      launch(device_, {.x = blocks(), .threads = kThreads}, fma_peak_kernel, steps, out());
    });
  }

  template <class T>
  double mma() {
    constexpr double kFlops = 2.0 * 16 * 8 * 16;
    return rate(kFlops * kChains * (kThreads / kWarp) * blocks(), [&](int steps) {
      launch(device_, {.x = blocks(), .threads = kThreads}, mma_peak_kernel<T>, steps, out());
    });
  }

  template <class T>
  double wgmma() {
    std::vector<uint16_t> halves(size_t{kWgmmaRows} * 64);
    for (size_t i = 0; i < halves.size(); i++) {
      const uint32_t random = static_cast<uint32_t>(i) * 2654435761u >> 16;
      // Random signs and fractions; the exponent makes the size about 2^-15 as bf16 and 2^-1 as f16.
      halves[i] = (random & 0x8000) | 0x3800 | (random & 0x7f);
    }
    const DeviceMemory operands(device_, halves.size() * sizeof(uint16_t));
    device_.upload(operands.data(), halves.data(), operands.bytes());
    return rate(kWgmmaFlops * device_.info().multiprocessors,
                [&](int steps) { launch_wgmma_peak(device_, static_cast<const T*>(operands.data()), steps, out()); });
  }

  double read() {
    const int64_t round = static_cast<int64_t>(blocks()) * kThreads * kLoads;  // vectors
    const int64_t rounds = 16 * static_cast<int64_t>(device_.info().l2_bytes) / sizeof(Vec16<float>) / round + 1;
    const double bytes = static_cast<double>(rounds * round * sizeof(Vec16<float>));
    const DeviceMemory memory(device_, static_cast<size_t>(bytes));
    device_.zero(memory.data(), memory.bytes());
    const auto* floats = static_cast<const float*>(memory.data());
    return rate(bytes, [&](int steps) {
      launch(device_, {.x = blocks(), .threads = kThreads}, read_peak_kernel, floats, rounds * round, steps, out());
    });
  }

 private:
  int blocks() const { return kBlocks * device_.info().multiprocessors; }
  float* out() { return static_cast<float*>(out_.data()); }

  template <class Launch>
  double seconds(const Launch& launch, int steps) {
    using Clock = std::chrono::steady_clock;
    control_.poll();
    const auto start = Clock::now();
    launch(steps);
    device_.wait();
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  Device& device_;
  const Control& control_;
  DeviceMemory out_;  // one float per thread, which keeps the compiler from dropping the loops
};

}  // namespace

Peaks measure_peaks(int ordinal, const Control& control) {
  Device device(ordinal);
  Meter meter(device, control);
  Peaks peaks;
  const auto add = [&](DType dtype, const char* instruction, double flops) {
    peaks.arithmetic.push_back({instruction, flops});
    // gemm() uses the best instruction, which is the last one that is added.
    peaks.by_dtype[static_cast<int>(dtype)] = instruction;
  };
  add(DType::kFloat32, "fma", meter.fma());
  add(DType::kBFloat16, "mma.sync bf16", meter.mma<bf16>());
  add(DType::kFloat16, "mma.sync f16", meter.mma<f16>());
  if (device.info().major == 9) {
    add(DType::kBFloat16, "wgmma bf16", meter.wgmma<bf16>());
    add(DType::kFloat16, "wgmma f16", meter.wgmma<f16>());
  }
  peaks.read = meter.read();
  return peaks;
}

}  // namespace mt::MT_TARGET
