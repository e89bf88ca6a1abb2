// The variant for AVX2 + FMA + F16C: 6 x 16 tiles, 12 of 16 registers hold sums.
#include "kernels.h"

#if MT_X86
#include "x86_intrinsics.h"

namespace mt::cpu {
namespace {
MT_ISA_BEGIN("avx2,fma,f16c")
#include "simd_avx2.h"
#define MT_TILE_ROWS 6
#define MT_TILE_VECTORS 2
#include "float_kernels.inc"
MT_ISA_END
}  // namespace

const CpuKernels& kernels_avx2() {
  static const CpuKernels kernels = float_kernels("avx2");
  return kernels;
}

}  // namespace mt::cpu
#endif
