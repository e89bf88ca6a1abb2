// Random numbers into memory. Blocks of 256 threads that stride over the array; bound by memory.
#include "backend/cuda/device/device.cuh"
#include "backend/cuda/runtime/launch.cuh"
#include "gpu_timing.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kFillThreads = 256;

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

}  // namespace
}  // namespace mt::MT_TARGET

namespace mt::bench {

template <class T>
void fill_random(Device& device, T* to, int64_t count, uint32_t seed, float scale) {
  const int64_t blocks = (count + MT_TARGET::kFillThreads - 1) / MT_TARGET::kFillThreads;
  const int max_blocks = 32 * device.info().multiprocessors;
  MT_TARGET::launch(device,
                    {.x = static_cast<int>(std::min<int64_t>(blocks, max_blocks)), .threads = MT_TARGET::kFillThreads},
                    MT_TARGET::fill_kernel<T>, to, count, seed, scale);
}

template void fill_random(Device&, float*, int64_t, uint32_t, float);
template void fill_random(Device&, bf16*, int64_t, uint32_t, float);
template void fill_random(Device&, f16*, int64_t, uint32_t, float);

}  // namespace mt::bench
