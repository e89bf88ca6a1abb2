// The variant for AMX: bfloat16 weights and activations go through tdpbf16ps, everything else is as in avx512_bf16.
#include "kernels.h"

#if MT_X86
#include "tile_config.h"
#include "x86_intrinsics.h"

namespace mt::cpu {
namespace {
MT_ISA_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,amx-tile,amx-bf16")
#define TILES_BEGIN() _tile_loadconfig(&kTileConfig)
#define TILES_END() _tile_release()
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, address, stride) _tile_loadd(t, address, stride)
#define TILE_STORE(t, address, stride) _tile_stored(t, address, stride)
#define TILE_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#include "gemm_tiles.inc"
MT_ISA_END
}  // namespace

const CpuKernels& kernels_amx_bf16() {
  static const CpuKernels kernels = [] {
    CpuKernels k = kernels_avx512_bf16();
    k.name = "amx_bf16";
    k.gemm[(int)DType::kBFloat16] = kTilesKernel;
    k.attention_bf16 = &kTilesKernel;
    return k;
  }();
  return kernels;
}

}  // namespace mt::cpu
#endif
