// The variant for all processors: compiler vectors of four floats, which are compiled to SSE2 or NEON.
#include <cstring>

#include "kernels.h"

namespace mt::cpu {
namespace {
#define MT_LANES 4
#include "simd_portable.h"
#define MT_TILE_ROWS 2
#define MT_TILE_VECTORS 4
#include "float_kernels.inc"
}  // namespace

const CpuKernels& kernels_scalar() {
  static const CpuKernels kernels = float_kernels("scalar");
  return kernels;
}

}  // namespace mt::cpu
