// The peak of Hopper's tensor cores. Each multiprocessor has one block of two warpgroups, which have 64 rows of a each.
// Shared memory: a [128, 64] and b [256, 64], which TMA loads once, then the barrier. Bound by the rate of wgmma.
#include "../device/device_sm90.cuh"
#include "../runtime/launch.cuh"
#include "peak.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kRowsA = kWgmmaRows - 256;
constexpr int kRowsB = 256;
constexpr int kOperandBytes = kWgmmaRows * kBoxBytes;
static_assert(kWgmmaThreads == kRowsA / 64 * kWarpgroup);

template <class T>
MT_KERNEL(kWgmmaThreads, 1)
wgmma_peak_kernel(MT_GRID_CONSTANT TensorMap a, MT_GRID_CONSTANT TensorMap b, int steps, float* out) {
  char* const operands = align_to_atom(shared_memory());
  auto* loaded = reinterpret_cast<uint64_t*>(operands + kOperandBytes);
  if (thread_index() == 0) {
    mbarrier_init(loaded, 1);
    mbarrier_fence_init();
  }
  sync_block();
  if (thread_index() == 0) {
    mbarrier_arrive_expect(loaded, kOperandBytes);
    tma_load(operands, a, 0, 0, loaded);
    tma_load(operands + kRowsA * kBoxBytes, b, 0, 0, loaded);
  }
  mbarrier_wait(loaded, 0);

  const char* rows = operands + thread_index() / kWarpgroup * 64 * kBoxBytes;
  const char* cols = operands + kRowsA * kBoxBytes;
  float c[kRowsB / 8][4] = {};
  for (int step = 0; step < steps; step++) {
    wgmma_fence(c);
#pragma unroll
    for (int k = 0; k < kBoxBytes; k += 32) wgmma<T>(c, wgmma_descriptor(rows + k), wgmma_descriptor(cols + k));
    wgmma_commit();
    wgmma_wait<1>();
  }
  wgmma_finish(c);
  float total = 0;
#pragma unroll
  for (int j = 0; j < kRowsB / 8; j++) total += c[j][0] + c[j][1] + c[j][2] + c[j][3];
  out[block_x() * kWgmmaThreads + thread_index()] = total;
}

}  // namespace

template <class T>
void launch_wgmma_peak(Device& device, const T* operands, int steps, float* out) {
  device.select();
  launch(device,
         {.x = device.info().multiprocessors,
          .threads = kWgmmaThreads,
          .shared = kAtomBytes + kOperandBytes + sizeof(uint64_t)},
         wgmma_peak_kernel<T>, make_tensor_map(operands, kRowsA, kBoxCols, kBoxCols, kRowsA),
         make_tensor_map(operands + kRowsA * kBoxCols, kRowsB, kBoxCols, kBoxCols, kRowsB), steps, out);
}

template void launch_wgmma_peak(Device&, const bf16*, int, float*);
template void launch_wgmma_peak(Device&, const f16*, int, float*);

}  // namespace mt::MT_TARGET
