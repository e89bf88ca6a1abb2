// The functions through which kernels use a GPU: indices, shared memory, barriers, shuffles, asynchronous copies,
// tensor cores. device_ptx.cuh implements them in PTX (sm_80 and up), native/simulator/device.h in C++ over fibers. The
// conventions of a kernel are in ../README.md.
//
// Both implementations define, in namespace mt::MT_TARGET:
//   MT_KERNEL(threads, blocks)  stands before a kernel's name: the maximum of threads in a block, the minimum of blocks
//                               that an SM shall hold
//   MT_DEVICE                   stands before any other function that runs on the device
//   thread_index(), block_x(), block_y(), grid_x()
//   shared_memory()             the launch's dynamic shared memory, 128-byte aligned; kernels have no other
//   sync_block(), sync_warp()   must be called by every thread of the block or warp
//   shuffle_xor(value, mask), shuffle(value, lane)
//       of float, int32_t or uint32_t; all 32 lanes must call it
//   lowest_lane(condition)
//       the lowest lane whose condition holds, or -1; all 32 lanes must call it
//   atomic_add(p, value)
//       adds to a uint32_t of shared memory and returns what it held before
//   load16_constant(p)
//       loads four floats of global memory that nobody writes during the launch, so that the load may go ahead of
//       stores
//   cp_async16(shared, global, bytes)
//       writes 16 bytes to shared memory: the first `bytes` are copied, the rest is zero; both addresses are multiples
//       of 16
//   cp_async_commit(), cp_async_wait<n>()
//       the copies are visible to the thread that issued them after the wait, to the others after sync_block
//   ldmatrix_x4(r, row), ldmatrix_x4_trans(r, row)
//       load four 8x8 matrices of 16-bit numbers. Lane i passes the address of row i % 8 of matrix i / 8. It receives
//       in r[j] the elements [i / 4][2 (i % 4)] and [i / 4][2 (i % 4) + 1] of matrix j, or of its transpose
//   mma_m16n8k16<T>(c, a, b0, b1)
//       c[16, 8] += a[16, 16] b[8, 16]^T in float32, T being bf16 or f16. Lane i holds row i / 4, columns 2 (i % 4) and
//       2 (i % 4) + 1 in c[0] and c[1], and the same columns eight rows below in c[2] and c[3]
//   to_float(T), from_float<T>(f), pack2<T>(low, high)
//       round to nearest even; T is float, bf16 or f16
//   exp_f32(x), log_f32(x), exp2_fast(x), sqrt_f32(x), rsqrt_f32(x), fma_f32(a, b, c)
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

// The sum over the warp. Every lane gets the same bits.
MT_DEVICE float warp_sum(float v) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) v += shuffle_xor(v, mask);
  return v;
}

// The sum over a block of `warps` warps, in their order, returned in every thread. `sums` is shared memory for one
// float a warp, which nobody uses otherwise.
MT_DEVICE float block_sum(float v, int warps, float* sums) {
  v = warp_sum(v);
  if (lane_index() == 0) sums[warp_index()] = v;
  sync_block();
  float total = 0;
  for (int i = 0; i < warps; i++) total += sums[i];
  return total;
}

MT_DEVICE float warp_max(float v) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(v, mask);
    v = other > v ? other : v;
  }
  return v;
}

// Vector accesses. The address must be a multiple of their size.
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
