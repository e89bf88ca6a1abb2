// The functions of device.cuh in C++. Each thread is a fiber (fibers.h).
#pragma once
#include <cmath>
#include <cstring>

#include "../base/dtype.h"
#include "fibers.h"

#define MT_DEVICE inline
#define MT_KERNEL(threads, blocks) void

namespace mt::MT_TARGET {

inline int thread_index() { return current_thread(); }
inline int block_x() { return current_block_x(); }
inline int block_y() { return current_block_y(); }
inline int grid_x() { return current_grid_x(); }
inline char* shared_memory() { return current_shared(); }
inline void sync_block() { wait_block(); }
inline void sync_warp() {
  meet_warp("sync_warp", nullptr, [](void* const*) {});
}

template <class T>
struct ShuffleOperands {
  T value, result;
  int lane;
};

template <class T>
T shuffle(T value, int lane) {
  ShuffleOperands<T> mine = {value, {}, lane & 31};
  meet_warp("shuffle", &mine, [](void* const* lanes) {
    for (int i = 0; i < 32; i++) {
      auto* to = static_cast<ShuffleOperands<T>*>(lanes[i]);
      to->result = static_cast<ShuffleOperands<T>*>(lanes[to->lane])->value;
    }
  });
  return mine.result;
}

template <class T>
T shuffle_xor(T value, int mask) {
  return shuffle(value, current_thread() % 32 ^ mask);
}

struct VoteOperands {
  bool condition;
  int lowest;
};

inline int lowest_lane(bool condition) {
  VoteOperands mine = {condition, -1};
  meet_warp("lowest_lane", &mine, [](void* const* lanes) {
    int lowest = -1;
    for (int i = 31; i >= 0; i--)
      if (static_cast<VoteOperands*>(lanes[i])->condition) lowest = i;
    for (int i = 0; i < 32; i++) static_cast<VoteOperands*>(lanes[i])->lowest = lowest;
  });
  return mine.lowest;
}

// Needs no atomic instruction: the fibers of a block take turns on one thread of the host.
inline uint32_t atomic_add(uint32_t* shared, uint32_t value) {
  const uint32_t before = *shared;
  *shared += value;
  return before;
}

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

inline Vec16<float> load16_constant(const float* p) { return *reinterpret_cast<const Vec16<float>*>(p); }

inline void cp_async16(void* shared, const void* global, int bytes) {
  if (!aligned16(shared) || !aligned16(global)) fail_thread("cp_async16 at an address that is no multiple of 16");
  if (bytes < 0 || bytes > 16) fail_thread("cp_async16 of a number of bytes outside 0 .. 16");
  issue_copy(shared, global, bytes);
}
inline void cp_async_commit() { commit_copies(); }
template <int kPending>
void cp_async_wait() {
  wait_copies(kPending);
}

struct MatrixOperands {
  const void* row;
  uint32_t result[4];
};

template <bool kTranspose>
void load_matrices(void* const* lanes) {
  uint16_t m[4][8][8];
  for (int j = 0; j < 4; j++) {
    unsigned banks = 0;
    int distinct = 0;
    for (int r = 0; r < 8; r++) {
      const void* row = static_cast<MatrixOperands*>(lanes[8 * j + r])->row;
      std::memcpy(m[j][r], row, 16);
      const unsigned bank = 1u << (reinterpret_cast<uintptr_t>(row) / 16 % 8);
      distinct += !(banks & bank);
      banks |= bank;
    }
    count_conflicts(8 - distinct);
  }
  for (int i = 0; i < 32; i++) {
    auto* to = static_cast<MatrixOperands*>(lanes[i]);
    for (int j = 0; j < 4; j++) {
      const int r = i / 4, c = i % 4 * 2;
      const uint16_t low = kTranspose ? m[j][c][r] : m[j][r][c], high = kTranspose ? m[j][c + 1][r] : m[j][r][c + 1];
      to->result[j] = low | uint32_t{high} << 16;
    }
  }
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  if (!aligned16(row)) fail_thread("ldmatrix_x4 at an address that is no multiple of 16");
  MatrixOperands mine = {row, {}};
  meet_warp("ldmatrix_x4", &mine, load_matrices<false>);
  std::memcpy(r, mine.result, 16);
}
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  if (!aligned16(row)) fail_thread("ldmatrix_x4_trans at an address that is no multiple of 16");
  MatrixOperands mine = {row, {}};
  meet_warp("ldmatrix_x4_trans", &mine, load_matrices<true>);
  std::memcpy(r, mine.result, 16);
}

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return bf16_to_f32(x.bits); }
inline float to_float(f16 x) { return f16_to_f32(x.bits); }

template <class T>
T from_float(float x);
template <>
inline float from_float<float>(float x) {
  return x;
}
template <>
inline bf16 from_float<bf16>(float x) {
  return {f32_to_bf16(x)};
}
template <>
inline f16 from_float<f16>(float x) {
  return {f32_to_f16(x)};
}

template <class T>
uint32_t pack2(float low, float high) {
  return from_float<T>(low).bits | uint32_t{from_float<T>(high).bits} << 16;
}

struct MmaOperands {
  float* c;
  const uint32_t* a;
  uint32_t b[2];
};

// Multiplies fragments, whose layouts are those of the PTX ISA, "Matrix Fragments for mma.m16n8k16".
template <class T>
void multiply_fragments(void* const* lanes) {
  float a[16][16], b[16][8], c[16][8];
  const auto half = [](uint32_t pair, int i) { return to_float(T{static_cast<uint16_t>(pair >> (16 * i))}); };
  for (int i = 0; i < 32; i++) {
    const auto* lane = static_cast<const MmaOperands*>(lanes[i]);
    const int g = i / 4, t = i % 4 * 2;
    for (int e = 0; e < 2; e++) {
      a[g][t + e] = half(lane->a[0], e);
      a[g + 8][t + e] = half(lane->a[1], e);
      a[g][t + 8 + e] = half(lane->a[2], e);
      a[g + 8][t + 8 + e] = half(lane->a[3], e);
      b[t + e][g] = half(lane->b[0], e);
      b[t + 8 + e][g] = half(lane->b[1], e);
      c[g][t + e] = lane->c[e];
      c[g + 8][t + e] = lane->c[2 + e];
    }
  }
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++)
      for (int n = 0; n < 8; n++) c[m][n] += a[m][k] * b[k][n];
  for (int i = 0; i < 32; i++) {
    const auto* lane = static_cast<const MmaOperands*>(lanes[i]);
    const int g = i / 4, t = i % 4 * 2;
    for (int e = 0; e < 4; e++) lane->c[e] = c[g + (e >= 2 ? 8 : 0)][t + e % 2];
  }
}

template <class T>
void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  MmaOperands mine = {c, a, {b0, b1}};
  meet_warp("mma_m16n8k16", &mine, multiply_fragments<T>);
}

inline float exp_f32(float x) { return std::exp(x); }
inline float log_f32(float x) { return std::log(x); }
inline float exp2_fast(float x) { return std::exp2(x); }
inline float sqrt_f32(float x) { return std::sqrt(x); }
inline float rsqrt_f32(float x) { return 1.0f / std::sqrt(x); }
inline float fma_f32(float a, float b, float c) { return std::fma(a, b, c); }

}  // namespace mt::MT_TARGET
