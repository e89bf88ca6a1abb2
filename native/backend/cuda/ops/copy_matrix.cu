// Copies and transposes matrices between layouts and number types: weights and their originals, gradients and what
// products read. Bound by memory: a thread copies one element, a block transposes a tile through shared memory.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;

template <class From, class To>
MT_KERNEL(kThreads, 4)
copy_kernel(MatrixRows<const From> from, int64_t count, int cols, float factor, MatrixRows<To> to, int to_cols) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const int row = static_cast<int>(i / to_cols), col = static_cast<int>(i % to_cols);
  *to.at(row, col) = from_float<To>(col < cols ? factor * to_float(*from.at(row, col)) : 0.0f);
}

constexpr int kSide = 32;                      // of a tile
constexpr int kRowsAtOnce = kThreads / kSide;  // of a tile
constexpr int kTileBytes = kSide * (kSide + 1) * sizeof(float);

// Element [r, c] of `from` becomes [c, r] of `to`, whose rows are filled up to `to_cols` with zeros.
template <class From, class To>
MT_KERNEL(kThreads, 4)
transpose_kernel(MatrixRows<const From> from, int rows, int cols, float factor, MatrixRows<To> to, int to_cols) {
  float* tile = reinterpret_cast<float*>(shared_memory());
  const int across = (cols + kSide - 1) / kSide;
  const int first_row = block_x() / across * kSide, first_col = block_x() % across * kSide;
  const int lane = thread_index() % kSide, line = thread_index() / kSide;
  for (int i = line; i < kSide; i += kRowsAtOnce) {
    const int r = first_row + i, c = first_col + lane;
    tile[i * (kSide + 1) + lane] = r < rows && c < cols ? factor * to_float(*from.at(r, c)) : 0.0f;
  }
  sync_block();
  for (int i = line; i < kSide; i += kRowsAtOnce) {
    const int r = first_row + lane, c = first_col + i;
    if (r < to_cols && c < cols) *to.at(c, r) = from_float<To>(tile[lane * (kSide + 1) + i]);
  }
}

}  // namespace

template <class From, class To>
void copy_matrix(Device& device, const MatrixRows<const From>& from, int rows, int cols, float factor,
                 const MatrixRows<To>& to, int to_cols) {
  const int64_t count = static_cast<int64_t>(rows) * to_cols;
  if (count == 0) return;
  launch(device, {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}, copy_kernel<From, To>,
         from, count, cols, factor, to, to_cols);
}

template <class From, class To>
void transpose_matrix(Device& device, const MatrixRows<const From>& from, int rows, int cols, float factor,
                      const MatrixRows<To>& to, int to_cols) {
  const int tiles = (to_cols + kSide - 1) / kSide * ((cols + kSide - 1) / kSide);
  if (tiles == 0) return;
  launch(device, {.x = tiles, .threads = kThreads, .shared = kTileBytes}, transpose_kernel<From, To>, from, rows, cols,
         factor, to, to_cols);
}

#define COPIES(From, To) \
  template void copy_matrix(Device&, const MatrixRows<const From>&, int, int, float, const MatrixRows<To>&, int)
#define TRANSPOSES(From, To) \
  template void transpose_matrix(Device&, const MatrixRows<const From>&, int, int, float, const MatrixRows<To>&, int)
COPIES(float, float);
COPIES(float, bf16);
COPIES(bf16, float);
COPIES(bf16, bf16);
TRANSPOSES(float, float);
TRANSPOSES(float, bf16);
TRANSPOSES(bf16, bf16);

}  // namespace mt::MT_TARGET
