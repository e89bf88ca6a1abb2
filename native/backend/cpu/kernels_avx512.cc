// The variant for AVX-512 (F, BW, VL, DQ): 12 x 32 tiles, 24 of 32 registers hold sums.
#include "kernels.h"

#if MT_X86
#include "x86_intrinsics.h"

namespace mt::cpu {
namespace {
MT_ISA_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#include "simd_avx512.h"
#define MT_TILE_ROWS 12
#define MT_TILE_VECTORS 2
#include "float_kernels.inc"
MT_ISA_END
}  // namespace

const CpuKernels& kernels_avx512() {
  static const CpuKernels kernels = float_kernels("avx512");
  return kernels;
}

}  // namespace mt::cpu
#endif
