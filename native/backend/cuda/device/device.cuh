// What kernels may use of a GPU: indices, shared memory, barriers, shuffles, asynchronous copies, tensor cores.
// device_ptx.cuh says it in PTX (sm_80 and up), native/simulator/device.h in C++ over fibers. README.md has the
// conventions.
//
// Both define, in namespace mt::MT_TARGET:
//   MT_KERNEL(threads, blocks)  before a kernel's name: threads of a block (at most), blocks an SM shall hold at least
//   MT_DEVICE                   before any other function that runs on the device
//   thread_index(), block_x(), block_y(), grid_x()
//   shared_memory()             the launch's dynamic shared memory, 128-byte aligned; there is no other
//   sync_block(), sync_warp()   every thread of the block or warp must come
//   shuffle_xor(value, mask), shuffle(value, lane)
//       float, int32_t, uint32_t; all 32 lanes must come
//   lowest_lane(condition)
//       the lowest lane for which it holds, -1 where there is none; all 32 lanes must come
//   atomic_add(p, value)
//       to a uint32_t of shared memory; what it held before
//   load16_constant(p)
//       four floats of global memory that no one writes during the launch: such loads may go ahead of stores
//   cp_async16(shared, global, bytes)
//       16 bytes to shared memory, of which the first `bytes` are read and the rest are zero; both addresses are
//       multiples of 16
//   cp_async_commit(), cp_async_wait<n>()
//       what lands is seen by the own thread after wait, by others after sync_block
//   ldmatrix_x4(r, row), ldmatrix_x4_trans(r, row)
//       four 8x8 matrices of 16-bit numbers: lane i gives the address of row i % 8 of matrix i / 8 and gets in r[j]
//       elements [i / 4][2 (i % 4)] and the next of matrix j, or of its transpose
//   mma_m16n8k16<T>(c, a, b0, b1)
//       c[16, 8] += a[16, 16] b[8, 16]^T with T = bf16 or f16, in float32. Lane i holds c[0, 1] at row i / 4, columns
//       2 (i % 4) and the next, c[2, 3] eight rows below
//   to_float(T), from_float<T>(f), pack2<T>(low, high)
//       round to nearest even; T = float, bf16, f16
//   exp_f32(x), log_f32(x), exp2_fast(x), rsqrt_f32(x), fma_f32(a, b, c)
#pragma once
#include <cmath>

#include "types.h"

#ifdef MT_DEVICE_HOST
#include "../../../simulator/device.h"
#else
#include "device_ptx.cuh"
#endif

namespace mt::MT_TARGET {

constexpr int kWarp = 32;

MT_DEVICE int lane_index() { return thread_index() % kWarp; }
MT_DEVICE int warp_index() { return thread_index() / kWarp; }

// Sums over the warp, in every lane the same bits.
MT_DEVICE float warp_sum(float v) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) v += shuffle_xor(v, mask);
  return v;
}

MT_DEVICE float warp_max(float v) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(v, mask);
    v = other > v ? other : v;
  }
  return v;
}

// Vector accesses: the address is a multiple of their size.
template <class T>
MT_DEVICE Vec16<T> load16(const T* p) {
  return *reinterpret_cast<const Vec16<T>*>(p);
}
template <class T>
MT_DEVICE void store16(T* p, const Vec16<T>& v) {
  *reinterpret_cast<Vec16<T>*>(p) = v;
}
template <class T>
MT_DEVICE Vec8<T> load8(const T* p) {
  return *reinterpret_cast<const Vec8<T>*>(p);
}
template <class T>
MT_DEVICE void store8(T* p, const Vec8<T>& v) {
  *reinterpret_cast<Vec8<T>*>(p) = v;
}

// p[0] = first, p[1] = second, rounded to T, in one access of 2 sizeof(T) bytes.
MT_DEVICE void store_pair(float* p, float first, float second) { store8(p, {first, second}); }
template <class T>
MT_DEVICE void store_pair(T* p, float first, float second) {
  *reinterpret_cast<uint32_t*>(p) = pack2<T>(first, second);
}

}  // namespace mt::MT_TARGET
