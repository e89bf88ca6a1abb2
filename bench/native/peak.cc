// What the processor can do at most: loops of one instruction on registers, and a sum over memory.
#include "peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "backend/backend.h"
#include "backend/cpu/isa.h"

#if MT_X86
#include "backend/cpu/x86_intrinsics.h"
#endif

namespace mt::bench {
namespace {

using Clock = std::chrono::steady_clock;

// The best of thirty short rounds of `threads` threads that each run work(): seconds.
double best_time(int threads, const std::function<void(int)>& work) {
  double best = 1e9;
  for (int round = 0; round < 30; round++) {
    const auto start = Clock::now();
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++) others.emplace_back([&, i] { work(i); });
    work(0);
    for (std::thread& t : others) t.join();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

constexpr int64_t kSteps = 400'000;
float sink[64];  // results go here so that no loop is dropped

// Independent chains of 4-wide multiply-adds: what any processor has.
void portable_loop(int worker) {
  typedef float V __attribute__((vector_size(16)));
  V sum[8] = {};
  const V x = {1.0001f, 1, 1, 1}, y = {1e-9f, 0, 0, 0};
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum[j] = sum[j] * x + y;
  for (const V& v : sum) sink[worker] += v[0];
}

#if MT_X86
MT_ISA_BEGIN("avx2,fma")
void avx2_loop(int worker) {
  __m256 sum[12];
  const __m256 x = _mm256_set1_ps(1.0001f), y = _mm256_set1_ps(1e-9f);
  for (__m256& v : sum) v = y;
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) sum[j] = _mm256_fmadd_ps(sum[j], x, y);
  float t[8];
  for (int j = 1; j < 12; j++) sum[0] = _mm256_add_ps(sum[0], sum[j]);
  _mm256_storeu_ps(t, sum[0]);
  sink[worker] += t[0];
}
MT_ISA_END

MT_ISA_BEGIN("avx512f")
void avx512_loop(int worker) {
  __m512 sum[24];
  const __m512 x = _mm512_set1_ps(1.0001f), y = _mm512_set1_ps(1e-9f);
  for (__m512& v : sum) v = y;
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 24
    for (int j = 0; j < 24; j++) sum[j] = _mm512_fmadd_ps(sum[j], x, y);
  float t[16];
  for (int j = 1; j < 24; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(t, sum[0]);
  sink[worker] += t[0];
}
MT_ISA_END

MT_ISA_BEGIN("avx512f,avx512bf16")
void pairs_loop(int worker) {
  __m512 sum[24];
  const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80), y = (__m512bh)_mm512_set1_epi16(0x3000);
  for (__m512& v : sum) v = _mm512_setzero_ps();
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 24
    for (int j = 0; j < 24; j++) sum[j] = _mm512_dpbf16_ps(sum[j], x, y);
  float t[16];
  for (int j = 1; j < 24; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(t, sum[0]);
  sink[worker] += t[0];
}
MT_ISA_END

MT_ISA_BEGIN("amx-tile,amx-bf16")
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kTileConfig;

void tiles_loop(int worker) {
  alignas(64) float t[256] = {};
  _tile_loadconfig(&kTileConfig);
  _tile_loadd(4, t, 64);
  _tile_loadd(5, t, 64);
  _tile_loadd(6, t, 64);
  _tile_loadd(7, t, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t i = 0; i < kSteps / 4; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, t, 64);
  _tile_release();
  sink[worker] += t[0];
}
MT_ISA_END
#endif

double read_bandwidth(int threads) {
  typedef float V __attribute__((vector_size(16)));
  constexpr size_t kFloats = size_t{128} << 20;
  const auto buffer = make_cpu_backend(1)->allocate(kFloats * 4);  // in large pages, as weights are
  auto* memory = static_cast<float*>(buffer->data());
  std::fill(memory, memory + kFloats, 1.0f);
  const size_t part = kFloats / threads / 64 * 64;
  const double seconds = best_time(threads, [&](int worker) {
    const float* p = memory + worker * part;
    V sum[16] = {};
    for (size_t i = 0; i < part; i += 64)
#pragma GCC unroll 16
      for (int j = 0; j < 16; j++) {
        V v;
        __builtin_memcpy(&v, p + i + 4 * j, sizeof v);
        sum[j] += v;
      }
    for (const V& v : sum) sink[worker] += v[0];
  });
  return double(part) * threads * 4 / seconds / 1e9;
}

}  // namespace

std::vector<Peak> measure_peaks(int threads) {
  std::vector<Peak> peaks;
  const auto measure = [&](const char* name, double flops_a_step, double steps, void (*loop)(int)) {
    peaks.push_back({name, flops_a_step * steps * threads / best_time(threads, loop) / 1e9});
  };
#if MT_X86
  const std::vector<std::string> have = cpu_variants();
  const auto has = [&](const char* name) { return std::find(have.begin(), have.end(), name) != have.end(); };
  if (has("amx_bf16")) measure("amx_bf16", 4 * 2.0 * 16 * 16 * 32, kSteps / 4, tiles_loop);
  if (has("avx512_bf16")) measure("avx512_bf16", 24 * 16 * 4, kSteps, pairs_loop);
  if (has("avx512")) measure("avx512", 24 * 16 * 2, kSteps, avx512_loop);
  if (has("avx2")) measure("avx2", 12 * 8 * 2, kSteps, avx2_loop);
#endif
  measure("scalar", 8 * 4 * 2, kSteps, portable_loop);
  peaks.push_back({"read", read_bandwidth(threads)});
  return peaks;
}

}  // namespace mt::bench
