// The variant for AVX-512 with BF16: bfloat16 weights and activations go through vdpbf16ps, and an instruction rounds
// to bfloat16; everything else is as in avx512.
#include "kernels.h"

#if MT_X86
#include "x86_intrinsics.h"

namespace mt::cpu {
namespace {
MT_ISA_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,f16c")
#define MT_BF16_INSTRUCTIONS
#include "simd_avx512.h"
#define MT_TILE_ROWS 12
#define MT_TILE_VECTORS 2
#include "float_kernels.inc"

typedef __m512 Sum;
typedef __m512bh Pairs;
inline Sum sum_zero() { return _mm512_setzero_ps(); }
inline Sum sum_load(const float* p) { return _mm512_loadu_ps(p); }
inline void sum_store(float* p, Sum v) { _mm512_storeu_ps(p, v); }
inline Pairs pairs_load(const uint16_t* p) { return (Pairs)_mm512_loadu_si512(p); }
inline Pairs pairs_broadcast(const uint16_t* p) {
  int pair;
  __builtin_memcpy(&pair, p, 4);
  return (Pairs)_mm512_set1_epi32(pair);
}
inline Sum dot_pairs(Sum sum, Pairs a, Pairs b) { return _mm512_dpbf16_ps(sum, a, b); }
#include "gemm_pairs.inc"
MT_ISA_END
}  // namespace

const CpuKernels& kernels_avx512_bf16() {
  static const CpuKernels kernels = [] {
    CpuKernels k = float_kernels("avx512_bf16");
    k.gemm[(int)DType::kBFloat16] = kPairsKernel;
    k.attention_bf16 = &kPairsKernel;
    return k;
  }();
  return kernels;
}

}  // namespace mt::cpu
#endif
