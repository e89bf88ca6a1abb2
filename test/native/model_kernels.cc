// The tile logic of the vector variants over scalar models of their instructions.
#include "model_kernels.h"

#include <cmath>
#include <cstring>

namespace mt::cpu {
namespace {

namespace lanes8 {
#define MT_LANES 8
#include "backend/cpu/simd_portable.h"
#define MT_TILE_ROWS 6
#define MT_TILE_VECTORS 2
#include "backend/cpu/float_kernels.inc"
#undef MT_LANES
#undef MT_TILE_ROWS
#undef MT_TILE_VECTORS
}  // namespace lanes8

namespace lanes16 {
#define MT_LANES 16
#include "backend/cpu/simd_portable.h"
#define MT_TILE_ROWS 12
#define MT_TILE_VECTORS 2
#include "backend/cpu/float_kernels.inc"
}  // namespace lanes16

// Both bf16 instructions read subnormals as zero and flush subnormal results to zero (Intel SDM).
float flush(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
float widen(uint16_t h) { return flush(bf16_to_f32(h)); }
float multiply_add(float a, float b, float c) { return flush(static_cast<float>(std::fma(a, b, c))); }

namespace pairs {
// Models vdpbf16ps: the odd products are added first, each by a fused multiply-add.
struct Sum {
  float lane[16];
};
struct Pairs {
  uint16_t half[32];
};
Sum sum_zero() { return {}; }
Sum sum_load(const float* p) {
  Sum s;
  memcpy(&s, p, sizeof s);
  return s;
}
void sum_store(float* p, const Sum& s) { memcpy(p, &s, sizeof s); }
Pairs pairs_load(const uint16_t* p) {
  Pairs x;
  memcpy(&x, p, sizeof x);
  return x;
}
Pairs pairs_broadcast(const uint16_t* p) {
  Pairs x;
  for (int i = 0; i < 32; i++) x.half[i] = p[i % 2];
  return x;
}
Sum dot_pairs(Sum sum, const Pairs& a, const Pairs& b) {
  for (int i = 0; i < 16; i++) {
    sum.lane[i] = multiply_add(widen(a.half[2 * i + 1]), widen(b.half[2 * i + 1]), sum.lane[i]);
    sum.lane[i] = multiply_add(widen(a.half[2 * i]), widen(b.half[2 * i]), sum.lane[i]);
  }
  return sum;
}
#include "backend/cpu/gemm_pairs.inc"
}  // namespace pairs

namespace tiles {
// Models tdpbf16ps: even and odd products have sums of their own, which are added to the tile at the end.
struct Tile {
  unsigned char row[16][64];
};
thread_local Tile tile[8];

void load(int t, const void* p, ptrdiff_t stride) {
  for (int r = 0; r < 16; r++) memcpy(tile[t].row[r], static_cast<const char*>(p) + r * stride, 64);
}
void store(int t, void* p, ptrdiff_t stride) {
  for (int r = 0; r < 16; r++) memcpy(static_cast<char*>(p) + r * stride, tile[t].row[r], 64);
}
void dot(int sum_tile, int a_tile, int b_tile) {
  for (int m = 0; m < 16; m++) {
    float sum[16];
    uint16_t a[32], b[32];
    float even[16] = {}, odd[16] = {};
    memcpy(sum, tile[sum_tile].row[m], 64);
    memcpy(a, tile[a_tile].row[m], 64);
    for (int k = 0; k < 16; k++) {
      memcpy(b, tile[b_tile].row[k], 64);
      for (int n = 0; n < 16; n++) {
        even[n] = multiply_add(widen(a[2 * k]), widen(b[2 * n]), even[n]);
        odd[n] = multiply_add(widen(a[2 * k + 1]), widen(b[2 * n + 1]), odd[n]);
      }
    }
    for (int n = 0; n < 16; n++) sum[n] = flush(sum[n] + flush(even[n] + odd[n]));
    memcpy(tile[sum_tile].row[m], sum, 64);
  }
}
#define TILES_BEGIN() memset(tile, 0, sizeof tile)
#define TILES_END() memset(tile, 0xff, sizeof tile)
#define TILE_ZERO(t) memset(&tile[t], 0, sizeof tile[t])
#define TILE_LOAD(t, address, stride) load(t, address, stride)
#define TILE_STORE(t, address, stride) store(t, address, stride)
#define TILE_DOT(sum, a, b) dot(sum, a, b)
#include "backend/cpu/gemm_tiles.inc"
}  // namespace tiles

}  // namespace
}  // namespace mt::cpu

namespace mt::test {

std::vector<cpu::CpuKernels> model_kernels() {
  using namespace cpu;
  const CpuKernels avx2 = lanes8::float_kernels("avx2 model");
  const CpuKernels avx512 = lanes16::float_kernels("avx512 model");
  CpuKernels pairs = avx512;
  pairs.name = "avx512_bf16 model";
  pairs.gemm[static_cast<int>(DType::kBFloat16)] = pairs::kPairsKernel;
  pairs.attention_bf16 = &pairs::kPairsKernel;
  CpuKernels tiles = pairs;
  tiles.name = "amx_bf16 model";
  tiles.gemm[static_cast<int>(DType::kBFloat16)] = tiles::kTilesKernel;
  tiles.attention_bf16 = &tiles::kTilesKernel;
  return {avx2, avx512, pairs, tiles};
}

}  // namespace mt::test
