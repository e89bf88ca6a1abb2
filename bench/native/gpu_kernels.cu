// Kernels of the GPU benchmarks: random numbers into memory, and reading memory as fast as it goes.
// Blocks of 256 and 512 threads that stride over the array; bound by memory.
#include "backend/cuda/device.cuh"
#include "backend/cuda/launch.cuh"
#include "gpu_timing.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kFillThreads = 256, kReadThreads = 512;

// A hash of 32 bits (the finaliser of MurmurHash3).
MT_DEVICE uint32_t mix(uint32_t h) {
  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return h ^ h >> 16;
}

template <class T>
MT_KERNEL(kFillThreads, 4)
fill_kernel(T* to, int64_t count, uint32_t seed, float scale) {
  const int64_t threads = int64_t{grid_x()} * kFillThreads;
  for (int64_t i = int64_t{block_x()} * kFillThreads + thread_index(); i < count; i += threads) {
    const uint32_t h = mix(static_cast<uint32_t>(i) ^ mix(seed + static_cast<uint32_t>(i >> 32)));
    to[i] = from_float<T>(scale * 0x1p-31f * static_cast<float>(static_cast<int32_t>(h)));
  }
}

// Four loads of 16 bytes a thread in flight; the sums are stored so that none is dropped.
MT_KERNEL(kReadThreads, 4) read_kernel(const float* from, int64_t vectors, float* sums) {
  const int64_t threads = int64_t{grid_x()} * kReadThreads;
  const int64_t first = int64_t{block_x()} * kReadThreads + thread_index();
  float sum = 0;
  int64_t i = first;
  for (; i + 3 * threads < vectors; i += 4 * threads) {
    Vec16<float> v[4];
#pragma unroll
    for (int j = 0; j < 4; j++) v[j] = load16_constant(from + 4 * (i + j * threads));
#pragma unroll
    for (int j = 0; j < 4; j++) sum += v[j].v[0] + v[j].v[1] + v[j].v[2] + v[j].v[3];
  }
  for (; i < vectors; i += threads) sum += load16_constant(from + 4 * i).v[0];
  sums[first] = sum;
}

}  // namespace
}  // namespace mt::MT_TARGET

namespace mt::bench {

template <class T>
void fill_random(Device& device, T* to, int64_t count, uint32_t seed, float scale) {
  const int64_t blocks = (count + MT_TARGET::kFillThreads - 1) / MT_TARGET::kFillThreads;
  const int most = 32 * device.info().multiprocessors;
  MT_TARGET::launch(device,
                    {.x = static_cast<int>(std::min<int64_t>(blocks, most)), .threads = MT_TARGET::kFillThreads},
                    MT_TARGET::fill_kernel<T>, to, count, seed, scale);
}

template void fill_random(Device&, float*, int64_t, uint32_t, float);
template void fill_random(Device&, bf16*, int64_t, uint32_t, float);
template void fill_random(Device&, f16*, int64_t, uint32_t, float);

double read_bandwidth(Device& device, size_t bytes) {
  const int blocks = 4 * device.info().multiprocessors;
  const DeviceMemory from(device, bytes), sums(device, sizeof(float) * blocks * MT_TARGET::kReadThreads);
  auto* const floats = static_cast<float*>(from.data());
  fill_random(device, floats, static_cast<int64_t>(bytes / sizeof(float)), 1, 1);
  const auto read = [&](int) {
    MT_TARGET::launch(device, {.x = blocks, .threads = MT_TARGET::kReadThreads}, MT_TARGET::read_kernel, floats,
                      static_cast<int64_t>(bytes / 16), static_cast<float*>(sums.data()));
  };
  return static_cast<double>(bytes) / time_in_turns(device, {read}, 7, 0)[0];
}

}  // namespace mt::bench
