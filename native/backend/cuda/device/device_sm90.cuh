// What kernels may use of a Hopper GPU beyond device.cuh: barriers in shared memory, TMA loads, wgmma. Only *_sm90.cu
// files may include it: they are compiled for sm_90a alone. device_ptx_sm90.cuh says it in PTX, native/simulator in
// C++.
//
// Both define, in namespace mt::MT_TARGET:
//   MT_GRID_CONSTANT            before a kernel's TensorMap parameter
//   elect_one()                 true in one lane of the warp; all 32 must come
//   more_registers<n>(), fewer_registers<n>()
//       sets the registers of a thread, a multiple of 8 from 24 to 256; all 128 threads of a warpgroup must come
//   shared_address(p)           a pointer into shared memory as a number
//
// A barrier is 8 bytes of shared memory at a multiple of 8. It counts phases: one is complete when `count` arrivals and
// all expected bytes have come, then the next begins.
//   mbarrier_init(barrier, count), mbarrier_fence_init()
//       one thread, init before fence; then sync_block
//   mbarrier_arrive(barrier)
//   mbarrier_arrive_expect(barrier, bytes)
//       one arrival that adds bytes to what the phase waits for
//   mbarrier_wait(barrier, parity)
//       until the phase of this parity (0 for the first) is complete. On a new barrier, parity 1 is no wait.
//
//   tma_load(shared, map, col, row, barrier)
//       one thread: the box of `map` (tensor_map.h) at element [row, col] to shared memory at a multiple of 1024. The
//       barrier gets kBoxBytes a row of the box; what lies past the matrix arrives as zeros and counts. Rows take 128
//       bytes, and 16-byte chunk i of row r lies in the place of chunk i ^ r % 8: the 128-byte swizzle.
//
// A warpgroup is four warps from a multiple of 4. All its threads call
//   wgmma_fence(c)
//       before the first wgmma on c after other accesses to it; none may come between
//   wgmma<T>(c, a, b)
//       c[64, n] += a[64, 16] b[n, 16]^T with T = bf16 or f16 in float32, n = 8 kCols = 32, 128 or 256. Warp w has rows
//       16 w and up: c[j] is the fragment of mma_m16n8k16 at column 8 j. a and b are wgmma_descriptor()s. c must not
//       be touched, nor a and b written, until the wait.
//   wgmma_commit(), wgmma_wait<n>()
//       until all but the last n committed groups are done
//   wgmma_finish(c)
//       until all committed groups are done: c may be read
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
constexpr int kAtomBytes = 1024;  // eight rows of a box: what swizzled memory must be aligned to

// Describes rows of 128 bytes, swizzled as tma_load leaves them; p is a multiple of kAtomBytes plus 0, 32, 64 or 96,
// the place of 16 halves of k.
MT_DEVICE uint64_t wgmma_descriptor(const void* p) {
  const uint64_t start = (shared_address(p) & 0x3ffff) >> 4;
  const uint64_t leading = 1;               // bytes / 16 to more of k: none of it, with this swizzle
  const uint64_t stride = kAtomBytes >> 4;  // to the next eight rows
  const uint64_t swizzle = 1;               // 128 bytes
  return start | leading << 16 | stride << 32 | swizzle << 62;
}

// The first multiple of kAtomBytes from p.
MT_DEVICE char* align_to_atom(char* p) { return p + (-shared_address(p) & (kAtomBytes - 1)); }

}  // namespace mt::MT_TARGET
