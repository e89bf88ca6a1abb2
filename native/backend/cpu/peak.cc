// The peaks of the processor: loops of one instruction on registers, and a sum over memory.
#include "../peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>

#include "../../base/thread_pool.h"
#include "../backend.h"
#include "dispatch.h"
#include "isa.h"
#include "memory.h"

#if MT_X86
#include "tile_config.h"
#include "x86_intrinsics.h"
#endif

namespace mt::cpu {
namespace {

constexpr int64_t kSteps = 400'000;

// Independent chains of multiply-adds of four floats, which all processors can do.
float portable_loop() {
  typedef float V __attribute__((vector_size(16)));
  V sum[8] = {};
  const V x = {1.0001f, 1, 1, 1}, y = {1e-9f, 0, 0, 0};
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sum[j] = sum[j] * x + y;
  float total = 0;
  for (const V& v : sum) total += v[0];
  return total;
}

#if MT_X86
MT_ISA_BEGIN("avx2,fma")
float avx2_loop() {
  __m256 sum[12];
  const __m256 x = _mm256_set1_ps(1.0001f), y = _mm256_set1_ps(1e-9f);
  for (__m256& v : sum) v = y;
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) sum[j] = _mm256_fmadd_ps(sum[j], x, y);
  float t[8];
  for (int j = 1; j < 12; j++) sum[0] = _mm256_add_ps(sum[0], sum[j]);
  _mm256_storeu_ps(t, sum[0]);
  return t[0];
}
MT_ISA_END

MT_ISA_BEGIN("avx512f")
float avx512_loop() {
  __m512 sum[24];
  const __m512 x = _mm512_set1_ps(1.0001f), y = _mm512_set1_ps(1e-9f);
  for (__m512& v : sum) v = y;
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 24
    for (int j = 0; j < 24; j++) sum[j] = _mm512_fmadd_ps(sum[j], x, y);
  float t[16];
  for (int j = 1; j < 24; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(t, sum[0]);
  return t[0];
}
MT_ISA_END

MT_ISA_BEGIN("avx512f,avx512bf16")
float pairs_loop() {
  __m512 sum[24];
  const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80), y = (__m512bh)_mm512_set1_epi16(0x3000);
  for (__m512& v : sum) v = _mm512_setzero_ps();
  for (int64_t i = 0; i < kSteps; i++)
#pragma GCC unroll 24
    for (int j = 0; j < 24; j++) sum[j] = _mm512_dpbf16_ps(sum[j], x, y);
  float t[16];
  for (int j = 1; j < 24; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  _mm512_storeu_ps(t, sum[0]);
  return t[0];
}
MT_ISA_END

MT_ISA_BEGIN("amx-tile,amx-bf16")
float tiles_loop() {
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
  return t[0];
}
MT_ISA_END
#endif

// Sums `floats` numbers, a multiple of 64.
float sum_loop(const float* p, size_t floats) {
  typedef float V __attribute__((vector_size(16)));
  V sum[16] = {};
  for (size_t i = 0; i < floats; i += 64)
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
      V v;
      __builtin_memcpy(&v, p + i + 4 * j, sizeof v);
      sum[j] += v;
    }
  float total = 0;
  for (const V& v : sum) total += v[0];
  return total;
}

struct Loop {
  const char* variant;
  double flops;  // operations of one run on one thread
  float (*run)();
};

constexpr Loop kLoops[] = {
#if MT_X86
    {"amx_bf16", 4 * 2.0 * 16 * 16 * 32 * (kSteps / 4), tiles_loop},
    {"avx512_bf16", 24.0 * 16 * 4 * kSteps, pairs_loop},
    {"avx512", 24.0 * 16 * 2 * kSteps, avx512_loop},
    {"avx2", 12.0 * 8 * 2 * kSteps, avx2_loop},
#endif
    {"scalar", 8.0 * 4 * 2 * kSteps, portable_loop},
};

class Meter {
 public:
  Meter(int threads, const Control& control) : pool_(threads), control_(control), results_(threads) {}

  int threads() const { return pool_.threads(); }

  // Seconds of the fastest of some rounds in which each thread runs work().
  double best_time(int rounds, const std::function<float(int part)>& work) {
    using Clock = std::chrono::steady_clock;
    double best = 1e9;
    for (int round = 0; round < rounds; round++) {
      control_.poll();
      const auto start = Clock::now();
      pool_.parallel_for(threads(), [&](int part, int) { results_[part] = work(part); });
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return best;
  }

  double flops(const Loop& loop) {
    return loop.flops * threads() / best_time(30, [&](int) { return loop.run(); });
  }

  double read() {
    constexpr size_t kFloats = size_t{128} << 20;  // half a GiB: more than caches hold
    const Memory memory(kFloats * sizeof(float));  // in large pages, as weights are
    auto* floats = memory.as<float>();
    const size_t part = kFloats / threads() / 64 * 64;
    pool_.parallel_for(threads(), [&](int i, int) { std::fill_n(floats + i * part, part, 1.0f); });
    const double seconds = best_time(10, [&](int i) { return sum_loop(floats + i * part, part); });
    return static_cast<double>(part * threads() * sizeof(float)) / seconds;
  }

 private:
  ThreadPool pool_;
  const Control& control_;
  std::vector<float> results_;  // keeps the compiler from dropping the loops
};

// The instruction that products with weights of this dtype use. Only bfloat16 uses the bf16 instructions; weights of
// other dtypes are widened to float32.
std::string instruction(const std::string& variant, DType dtype) {
  const bool has_bf16 = variant == "amx_bf16" || variant == "avx512_bf16";
  return has_bf16 && dtype != DType::kBFloat16 ? "avx512" : variant;
}

}  // namespace
}  // namespace mt::cpu

namespace mt {

Peaks measure_cpu_peaks(int threads, const Control& control) {
  const std::vector<std::string> have = cpu_variants();
  const std::string chosen = cpu::choose_kernels().name;
  cpu::Meter meter(threads, control);
  Peaks peaks;
  for (const cpu::Loop& loop : cpu::kLoops)
    if (std::find(have.begin(), have.end(), loop.variant) != have.end())
      peaks.arithmetic.push_back({loop.variant, meter.flops(loop)});
  peaks.read = meter.read();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16})
    peaks.by_dtype[static_cast<int>(dtype)] = cpu::instruction(chosen, dtype);
  return peaks;
}

Peaks measure_scalar_peaks(const Control& control) {
  cpu::Meter meter(1, control);
  const cpu::Loop& scalar = *std::prev(std::end(cpu::kLoops));
  return {{{scalar.variant, meter.flops(scalar)}}, meter.read(), {scalar.variant, scalar.variant, scalar.variant}};
}

}  // namespace mt
