// c = a b^T in float32 on Hopper (sm_90a), for bf16 and f16, by TMA and wgmma. Operands and epilogues are those of
// gemm.cuh.
//
// Grid: as many blocks as the multiprocessors hold at once; a block takes every gridDim-th tile. Block: one producing
// warpgroup, one thread of which queues the loads of a and b into a ring of stages in shared memory (64 elements of k a
// stage), and one or two consuming warpgroups, which have 64 rows of the tile each. A stage has two barriers: `full` is
// complete when its bytes have come, `empty` when all consuming warps are done with it. The ring goes on from tile to
// tile, so that the loads of the next tile run during the epilogue of the last one.
// Shared memory: the stages at a multiple of 1024 bytes, then the barriers; 193 KiB, or 109 KiB for few rows. Large
// tiles are bound by the tensor cores, few rows by reading b.
//
// On such a GPU every product of bf16 or f16 comes here, even that of a single row: c[i, j] is one chain of wgmma's
// steps of 16 elements of k, from k = 0 up, in every tile and whatever m and n. ../README.md says what that rests on.
// Elements past m, n or k are loaded as zeros, which change no sum.
#pragma once
#include <algorithm>

#include "../device/device_sm90.cuh"
#include "../runtime/launch.cuh"
#include "epilogue.cuh"
#include "gemm.cuh"

namespace mt::MT_TARGET {

// A tile of kConsumers x 64 rows and kN columns. An SM holds kBlocks blocks.
template <int kConsumers_, int kN_, int kStages_, int kBlocks_>
struct HopperTile {
  static constexpr int kConsumers = kConsumers_;
  static constexpr int kM = 64 * kConsumers;
  static constexpr int kN = kN_;
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
  static constexpr int kStages = kStages_;
  static constexpr int kBlocks = kBlocks_;
  static constexpr int kStageBytes = (kM + kN) * kBoxBytes;
  static constexpr size_t kSharedBytes = kAtomBytes + size_t{kStages} * (kStageBytes + 2 * sizeof(uint64_t));
  // 128 accumulators a thread need more than the kRegisters that each of 384 threads starts with, so the consumers take
  // some from the producer. A warpgroup that asks for registers which nobody has given back waits for ever, so
  // scripts/check-cuda.mjs checks that the compiler uses kRegisters.
  static constexpr bool kDivideRegisters = kN == 256;
  static constexpr int kRegisters = 168;
  static constexpr int kProducerRegisters = 40;
  static constexpr int kConsumerRegisters = 232;
  static_assert(!kDivideRegisters ||
                kProducerRegisters + kConsumers * kConsumerRegisters <= (kConsumers + 1) * kRegisters);
};

using HopperLargeTile = HopperTile<2, 256, 4, 1>;
using HopperMiddleTile = HopperTile<2, 128, 6, 1>;
// For few rows. Two blocks an SM keep as many bytes of b in flight as fit, 36 KiB a block.
using HopperSmallTile = HopperTile<1, 32, 9, 2>;

// The accumulators of a warp: 16 of its warpgroup's 64 rows.
template <class Tile>
struct HopperAccumulators {
  static constexpr int kRows = 1;
  static constexpr int kCols = Tile::kN / 8;
  float c[kRows][kCols][4];
};

// A place in the ring: a stage, and the parity of the phase that the stage's barriers complete next.
template <int kStages>
struct RingPlace {
  int stage = 0;
  uint32_t parity = 0;

  MT_DEVICE void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

struct HopperGrid {
  int tiles_m, tiles_n, steps;
};

template <class Tile>
MT_DEVICE void produce(const TensorMap& a, const TensorMap& b, HopperGrid grid, char* stages, uint64_t* full,
                       uint64_t* empty) {
  RingPlace<Tile::kStages> at;
  for (int index = block_x(); index < grid.tiles_m * grid.tiles_n; index += grid_x()) {
    const TilePlace tile = place_tile(index, grid.tiles_m, grid.tiles_n);
    for (int step = 0; step < grid.steps; step++) {
      mbarrier_wait(empty + at.stage, at.parity ^ 1);  // returns at once in the first round
      mbarrier_arrive_expect(full + at.stage, Tile::kStageBytes);
      char* stage = stages + at.stage * Tile::kStageBytes;
      tma_load(stage, a, step * kBoxCols, tile.m * Tile::kM, full + at.stage);
      tma_load(stage + Tile::kM * kBoxBytes, b, step * kBoxCols, tile.n * Tile::kN, full + at.stage);
      at.advance();
    }
  }
}

template <class T, class Tile, class Epilogue>
MT_DEVICE void consume(int group, HopperGrid grid, const char* stages, uint64_t* full, uint64_t* empty,
                       const Epilogue& epilogue) {
  RingPlace<Tile::kStages> at;
  for (int index = block_x(); index < grid.tiles_m * grid.tiles_n; index += grid_x()) {
    HopperAccumulators<Tile> acc = {};
    int reading = 0;  // the stage that the products in flight read
    for (int step = 0; step < grid.steps; step++) {
      mbarrier_wait(full + at.stage, at.parity);
      const char* a = stages + at.stage * Tile::kStageBytes + group * 64 * kBoxBytes;
      const char* b = stages + at.stage * Tile::kStageBytes + Tile::kM * kBoxBytes;
      wgmma_fence(acc.c[0]);
#pragma unroll
      for (int k = 0; k < kBoxBytes; k += 32) wgmma<T>(acc.c[0], wgmma_descriptor(a + k), wgmma_descriptor(b + k));
      wgmma_commit();
      wgmma_wait<1>();
      // Every warp arrives for itself: its wait does not cover the products of the other warps.
      if (step > 0 && lane_index() == 0) mbarrier_arrive(empty + reading);
      reading = at.stage;
      at.advance();
    }
    wgmma_finish(acc.c[0]);
    if (lane_index() == 0) mbarrier_arrive(empty + reading);
    const TilePlace tile = place_tile(index, grid.tiles_m, grid.tiles_n);
    epilogue(acc, tile.m * Tile::kM + group * 64 + warp_index() % 4 * 16, tile.n * Tile::kN);
  }
}

template <class T, class Tile, class Epilogue>
MT_KERNEL(Tile::kThreads, Tile::kBlocks)
gemm_sm90_kernel(MT_GRID_CONSTANT TensorMap a, MT_GRID_CONSTANT TensorMap b, HopperGrid grid, Epilogue epilogue) {
  char* const stages = align_to_atom(shared_memory());
  auto* full = reinterpret_cast<uint64_t*>(stages + Tile::kStages * Tile::kStageBytes);
  uint64_t* empty = full + Tile::kStages;
  if (thread_index() == 0) {
    for (int i = 0; i < Tile::kStages; i++) {
      mbarrier_init(full + i, 1);
      mbarrier_init(empty + i, Tile::kConsumers * 4);
    }
    mbarrier_fence_init();
  }
  sync_block();

  const int group = shuffle(thread_index() / kWarpgroup, 0);  // the shuffle tells the compiler: one value a warp
  if (group == Tile::kConsumers) {
    if constexpr (Tile::kDivideRegisters) fewer_registers<Tile::kProducerRegisters>();
    if (warp_index() % 4 == 0 && elect_one()) produce<Tile>(a, b, grid, stages, full, empty);
  } else {
    if constexpr (Tile::kDivideRegisters) more_registers<Tile::kConsumerRegisters>();
    consume<T, Tile>(group, grid, stages, full, empty, epilogue);
  }
}

template <class T, class Tile, class Epilogue>
void launch_gemm_sm90(Device& device, const GemmOperands<T>& g, const Epilogue& epilogue) {
  static_assert(Tile::kM <= kMaxBoxRows && Tile::kN <= kMaxBoxRows);
  const HopperGrid grid = {(g.m + Tile::kM - 1) / Tile::kM, (g.n + Tile::kN - 1) / Tile::kN,
                           (g.k + kBoxCols - 1) / kBoxCols};
  const int blocks = std::min(grid.tiles_m * grid.tiles_n, device.info().multiprocessors * Tile::kBlocks);
  device.select();  // tensor maps need it, and they are made before launch() is called
  launch(device, {.x = blocks, .threads = Tile::kThreads, .shared = Tile::kSharedBytes},
         gemm_sm90_kernel<T, Tile, Epilogue>, make_tensor_map(g.a, g.m, g.k, g.stride, Tile::kM),
         make_tensor_map(g.b, g.n, g.k, g.stride, Tile::kN), grid, epilogue);
}

// How many times all multiprocessors must be filled for all tiles of a product.
template <class Tile, class T>
int64_t count_waves(const GemmOperands<T>& g, int multiprocessors) {
  const int64_t tiles = int64_t{(g.m + Tile::kM - 1) / Tile::kM} * ((g.n + Tile::kN - 1) / Tile::kN);
  return (tiles + multiprocessors - 1) / multiprocessors;
}

// Chooses small tiles for up to 16 rows, and for up to 64 if wider tiles would take one wave, which would leave
// multiprocessors and so some of the memory's bandwidth unused. Otherwise it estimates the time of large and of middle
// tiles. A middle tile has half the products of a large one, but reads more bytes for each product, so its time is
// counted as 5/8 of a large one's.
template <class T>
Tiling choose_tiling_sm90(const Device& device, const GemmOperands<T>& g) {
  if (g.tiling != Tiling::kAuto) return g.tiling;
  const int multiprocessors = device.info().multiprocessors;
  const int64_t middle = count_waves<HopperMiddleTile>(g, multiprocessors);
  if (g.m <= 16 || (g.m <= HopperSmallTile::kM && middle <= 1)) return Tiling::kSmall;
  return 8 * count_waves<HopperLargeTile>(g, multiprocessors) <= 5 * middle ? Tiling::kLarge : Tiling::kMiddle;
}

template <class T, class Epilogue>
void gemm_sm90(Device& device, const GemmOperands<T>& g, const Epilogue& epilogue) {
  switch (choose_tiling_sm90(device, g)) {
    case Tiling::kSmall:
      return launch_gemm_sm90<T, HopperSmallTile>(device, g, epilogue);
    case Tiling::kMiddle:
      return launch_gemm_sm90<T, HopperMiddleTile>(device, g, epilogue);
    default:
      return launch_gemm_sm90<T, HopperLargeTile>(device, g, epilogue);
  }
}

}  // namespace mt::MT_TARGET
