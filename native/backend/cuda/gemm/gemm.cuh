// c[m, n] = a[m, k] b[n, k]^T in float32, handed to an epilogue (epilogue.cuh). This file is for sm_80 and up; gemm()
// hands bf16 and f16 on Hopper to gemm_sm90.cuh.
//
// A block computes a tile of c. cp.async brings rows of a and b in steps of 64 bytes of k through a ring of stages in
// shared memory. bf16 and f16 multiply on the tensor cores (m16n8k16), float32 by fused multiply-adds; the accumulators
// have the fragment layout of m16n8k16 in both cases, so that they share the epilogues.
//
// Every element is summed over k in one order, step by step, whatever m, n or the tile; k is never split. Elements past
// m, n or k count as zero, which changes no sum.
#pragma once
#include <algorithm>

#include "../device/device.cuh"
#include "../ops/ops.h"
#include "../runtime/launch.cuh"
#include "epilogue.cuh"

namespace mt::MT_TARGET {

constexpr int kStepBytes = 64;  // bytes of one row in a stage: 32 elements of 16 bits or 16 floats
constexpr int kStepChunks = kStepBytes / 16;

// kWarpsM x kWarpsN warps, each with kWarpM x kWarpN elements of c.
template <int kWarpsM_, int kWarpsN_, int kWarpM_, int kWarpN_, int kStages_, int kBlocks_>
struct Tile {
  static constexpr int kWarpsN = kWarpsN_;
  static constexpr int kWarpM = kWarpM_;
  static constexpr int kWarpN = kWarpN_;
  static constexpr int kM = kWarpsM_ * kWarpM;
  static constexpr int kN = kWarpsN * kWarpN;
  static constexpr int kThreads = kWarpsM_ * kWarpsN * kWarp;
  static constexpr int kStages = kStages_;
  static constexpr int kBlocks = kBlocks_;  // blocks that an SM holds
  static constexpr int kStageBytes = (kM + kN) * kStepBytes;
  static constexpr size_t kSharedBytes = size_t{kStages} * kStageBytes;
};

// A thread has 64 accumulators, a block 64 KiB of shared memory, so that two blocks fit into an SM of an A100 or H100.
using LargeTile = Tile<2, 4, 64, 32, 4, 2>;
using MiddleTile = Tile<2, 2, 32, 32, 4, 3>;
// For the few rows of decoding. Its stages keep as many bytes of b in flight as fit.
using SmallTile = Tile<1, 4, 16, 32, 5, 4>;

// The accumulators of a warp: c[i][j] is the fragment at row 16 i, column 8 j.
template <class Tile>
struct Accumulators {
  static constexpr int kRows = Tile::kWarpM / 16;
  static constexpr int kCols = Tile::kWarpN / 8;
  float c[kRows][kCols][4];
};

// The offset of a row's 16-byte chunk in a stage. Chunks are swizzled, so that those of 8 neighbouring rows at one k
// lie on different banks.
MT_DEVICE int chunk_offset(int row, int chunk) { return row * kStepBytes + ((chunk ^ (row >> 1 & 3)) << 4); }

// Queues the copies of one step of k for kRows rows of a matrix of `rows` rows. `k_left` elements of k are left.
template <int kRows, int kThreads, class T>
MT_DEVICE void copy_rows(char* shared, const T* matrix, int first_row, int rows, int64_t stride, int k_done,
                         int k_left) {
  constexpr int kPerChunk = 16 / sizeof(T);
  constexpr int kRowsAtOnce = kThreads / kStepChunks;
  const int chunk = thread_index() % kStepChunks;
  const int left = (k_left - chunk * kPerChunk) * static_cast<int>(sizeof(T));
  const int bytes = left < 0 ? 0 : left > 16 ? 16 : left;
#pragma unroll
  for (int r = 0; r < kRows; r += kRowsAtOnce) {
    const int row = r + thread_index() / kStepChunks;
    if (kRows % kRowsAtOnce != 0 && row >= kRows) break;
    const bool inside = first_row + row < rows;
    // The address lies in the matrix even if nothing is read.
    const T* from = matrix + (inside && bytes > 0 ? (first_row + row) * stride + k_done + chunk * kPerChunk : 0);
    cp_async16(shared + chunk_offset(row, chunk), from, inside ? bytes : 0);
  }
}

// Adds one step of k. `a` and `b` are the warp's own rows in shared memory.
template <class T, class Tile>
MT_DEVICE void multiply_step(Accumulators<Tile>& acc, const char* a, const char* b) {
  using Acc = Accumulators<Tile>;
  const int lane = lane_index();
#pragma unroll
  for (int k16 = 0; k16 < kStepChunks / 2; k16++) {
    uint32_t af[Acc::kRows][4], bf[Acc::kCols / 2][4];
#pragma unroll
    for (int i = 0; i < Acc::kRows; i++) ldmatrix_x4(af[i], a + chunk_offset(i * 16 + lane % 16, 2 * k16 + lane / 16));
#pragma unroll
    for (int j = 0; j < Acc::kCols / 2; j++)
      ldmatrix_x4(bf[j], b + chunk_offset(j * 16 + lane % 8 + lane / 16 * 8, 2 * k16 + lane / 8 % 2));
#pragma unroll
    for (int i = 0; i < Acc::kRows; i++)
#pragma unroll
      for (int j = 0; j < Acc::kCols; j++)
        mma_m16n8k16<T>(acc.c[i][j], af[i], bf[j / 2][j % 2 * 2], bf[j / 2][j % 2 * 2 + 1]);
  }
}

// The same in float32. Each element is one chain of fused multiply-adds over k.
template <class Tile>
MT_DEVICE void multiply_step_f32(Accumulators<Tile>& acc, const char* a, const char* b) {
  using Acc = Accumulators<Tile>;
  const int g = lane_index() / 4, t = lane_index() % 4 * 2;
#pragma unroll
  for (int chunk = 0; chunk < kStepChunks; chunk++) {
    Vec16<float> av[2 * Acc::kRows];
#pragma unroll
    for (int i = 0; i < 2 * Acc::kRows; i++)
      av[i] = load16(reinterpret_cast<const float*>(a + chunk_offset(i * 8 + g, chunk)));
#pragma unroll
    for (int j = 0; j < Acc::kCols; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const Vec16<float> bv = load16(reinterpret_cast<const float*>(b + chunk_offset(j * 8 + t + e, chunk)));
#pragma unroll
        for (int i = 0; i < 2 * Acc::kRows; i++)
#pragma unroll
          for (int k = 0; k < 4; k++) {
            float& c = acc.c[i / 2][j][i % 2 * 2 + e];
            c = fma_f32(av[i].v[k], bv.v[k], c);
          }
      }
  }
}

template <class T, class Tile, class Epilogue>
MT_KERNEL(Tile::kThreads, Tile::kBlocks)
gemm_kernel(GemmOperands<T> g, int tiles_m, int tiles_n, Epilogue epilogue) {
  constexpr int kStages = Tile::kStages, kStep = kStepBytes / sizeof(T);
  char* const shared = shared_memory();
  const TilePlace tile = place_tile(block_x(), tiles_m, tiles_n);
  const int row = tile.m * Tile::kM, col = tile.n * Tile::kN;
  const int steps = (g.k + kStep - 1) / kStep;

  const auto copy_step = [&](int step) {
    if (step < steps) {
      char* stage = shared + step % kStages * Tile::kStageBytes;
      const int k = step * kStep;
      copy_rows<Tile::kM, Tile::kThreads>(stage, g.a, row, g.m, g.stride, k, g.k - k);
      copy_rows<Tile::kN, Tile::kThreads>(stage + Tile::kM * kStepBytes, g.b, col, g.n, g.stride, k, g.k - k);
    }
    cp_async_commit();
  };

  const int warp_row = warp_index() / Tile::kWarpsN * Tile::kWarpM;
  const int warp_col = warp_index() % Tile::kWarpsN * Tile::kWarpN;
  Accumulators<Tile> acc = {};
  for (int step = 0; step < kStages - 1; step++) copy_step(step);
  for (int step = 0; step < steps; step++) {
    cp_async_wait<kStages - 2>();
    sync_block();  // this step is in shared memory, and nobody reads the stage that is filled next any more
    copy_step(step + kStages - 1);
    const char* a = shared + step % kStages * Tile::kStageBytes;
    const char* b = a + Tile::kM * kStepBytes;
    if constexpr (sizeof(T) == 4)
      multiply_step_f32<Tile>(acc, a + warp_row * kStepBytes, b + warp_col * kStepBytes);
    else
      multiply_step<T, Tile>(acc, a + warp_row * kStepBytes, b + warp_col * kStepBytes);
  }
  epilogue(acc, row + warp_row, col + warp_col);
}

template <class T, class Tile, class Epilogue>
void launch_gemm(Device& device, const GemmOperands<T>& g, const Epilogue& epilogue) {
  const int tiles_m = (g.m + Tile::kM - 1) / Tile::kM, tiles_n = (g.n + Tile::kN - 1) / Tile::kN;
  launch(device, {.x = tiles_m * tiles_n, .threads = Tile::kThreads, .shared = Tile::kSharedBytes},
         gemm_kernel<T, Tile, Epilogue>, g, tiles_m, tiles_n, epilogue);
}

// Chooses large tiles if they fill the device, and smaller ones if large ones would leave multiprocessors idle or rows
// empty.
template <class T>
Tiling choose_tiling(const Device& device, const GemmOperands<T>& g) {
  if (g.tiling != Tiling::kAuto) return g.tiling;
  if (g.m <= SmallTile::kM) return Tiling::kSmall;
  const int64_t large =
      int64_t{(g.m + LargeTile::kM - 1) / LargeTile::kM} * ((g.n + LargeTile::kN - 1) / LargeTile::kN);
  return g.m > MiddleTile::kM && large >= device.info().multiprocessors ? Tiling::kLarge : Tiling::kMiddle;
}

// Defined in gemm_sm90.cuh, instantiated in OP_sm90.cu.
template <class T, class Epilogue>
void gemm_sm90(Device& device, const GemmOperands<T>& g, const Epilogue& epilogue);

template <class T, class Epilogue>
void gemm(Device& device, const GemmOperands<T>& g, const Epilogue& epilogue) {
  if constexpr (sizeof(T) == 4) {
    launch_gemm<T, MiddleTile>(device, g, epilogue);
  } else {
    // sm_90a is compute capability 9 and no other, not even a newer one.
    if (device.info().major == 9) return gemm_sm90(device, g, epilogue);
    switch (choose_tiling(device, g)) {
      case Tiling::kSmall:
        return launch_gemm<T, SmallTile>(device, g, epilogue);
      case Tiling::kMiddle:
        return launch_gemm<T, MiddleTile>(device, g, epilogue);
      default:
        return launch_gemm<T, LargeTile>(device, g, epilogue);
    }
  }
}

}  // namespace mt::MT_TARGET
