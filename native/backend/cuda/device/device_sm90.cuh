// The functions through which kernels use what a Hopper GPU has beyond device.cuh: barriers in shared memory, TMA
// loads, wgmma. Only *_sm90.cu files may include this header: they are compiled for sm_90a alone. device_ptx_sm90.cuh
// implements it in PTX, native/simulator/device_sm90.h in C++.
//
// Both implementations define, in namespace mt::MT_TARGET:
//   MT_GRID_CONSTANT            stands before a kernel's TensorMap parameter
//   elect_one()                 true in one lane of the warp; all 32 must call it
//   more_registers<n>(), fewer_registers<n>()
//       set the number of registers of a thread, a multiple of 8 from 24 to 256; all 128 threads of a warpgroup must
//       call them
//   shared_address(p)           a pointer into shared memory as a number
//
// A barrier is 8 bytes of shared memory at a multiple of 8. It goes through phases: one is complete when `count`
// arrivals and all expected bytes have come, and then the next one begins.
//   mbarrier_init(barrier, count), mbarrier_fence_init()
//       both are called by one thread, init before fence; sync_block follows
//   mbarrier_arrive(barrier)
//   mbarrier_arrive_expect(barrier, bytes)
//       one arrival, which also adds `bytes` to the bytes that the phase expects
//   mbarrier_wait(barrier, parity)
//       waits until the phase of this parity is complete (the first phase has parity 0). On a new barrier a wait for
//       parity 1 returns at once.
//
//   tma_load(shared, map, col, row, barrier)
//       is called by one thread. It copies the box of `map` (tensor_map.h) at element [row, col] to shared memory at a
//       multiple of 1024. The barrier receives kBoxBytes for each row of the box; elements past the matrix arrive as
//       zeros and count too. Rows take 128 bytes, and 16-byte chunk i of row r is stored where chunk i ^ r % 8 would
//       be: the 128-byte swizzle.
//
// A warpgroup is four warps, the first of which is a multiple of 4. All its threads call these:
//   wgmma_fence(c)
//       between other accesses to c and the first wgmma on it
//   wgmma<T>(c, a, b)
//       c[64, n] += a[64, 16] b[n, 16]^T in float32, T being bf16 or f16 and n = 8 kCols being 32, 128 or 256. Warp w
//       holds the 16 rows from 16 w on: c[j] is the fragment of mma_m16n8k16 at column 8 j. a and b are
//       wgmma_descriptor()s. Until the wait c must not be accessed, and the memory of a and b not be written.
//   wgmma_commit(), wgmma_wait<n>()
//       waits until all but the last n committed groups are done
//   wgmma_finish(c)
//       waits until all committed groups are done; c may be read then
#pragma once
#include "device.cuh"
#include "tensor_map.h"

#ifdef MT_DEVICE_HOST
#include "../../../simulator/device_sm90.h"
#else
#include "device_ptx_sm90.cuh"
#endif

namespace mt::MT_TARGET {

constexpr int kWarpgroup = 128;
constexpr int kAtomBytes = 1024;  // eight rows of a box; swizzled memory is aligned to this

// Describes rows of 128 bytes that are swizzled as tma_load leaves them. p is a multiple of kAtomBytes plus 0, 32, 64
// or 96, which selects 16 of the 64 elements of k.
MT_DEVICE uint64_t wgmma_descriptor(const void* p) {
  const uint64_t start = (shared_address(p) & 0x3ffff) >> 4;
  const uint64_t leading = 1;               // ignored with this swizzle
  const uint64_t stride = kAtomBytes >> 4;  // distance of the next eight rows
  const uint64_t swizzle = 1;               // means 128 bytes
  return start | leading << 16 | stride << 32 | swizzle << 62;
}

// The first multiple of kAtomBytes at or after p.
MT_DEVICE char* align_to_atom(char* p) { return p + (-shared_address(p) & (kAtomBytes - 1)); }

}  // namespace mt::MT_TARGET
