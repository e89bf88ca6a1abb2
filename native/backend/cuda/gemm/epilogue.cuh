// The parts that matrix products and their epilogues share: the order of tiles, and loops over a warp's accumulators.
//
// Whole warps call an epilogue as epilogue(acc, row, col). acc.c[i][j] is the fragment of mma_m16n8k16 whose first
// element is c[row + 16 i, col + 8 j], with i < acc.kRows and j < acc.kCols. Elements may lie past m or n. row is a
// multiple of 16, col of 32.
#pragma once
#include "../device/device.cuh"

namespace mt::MT_TARGET {

// The place of the tile that comes `index`-th in the order of work. Consecutive tiles go down a group of up to 16 tiles
// of rows before they go to the next columns, so that the group's rows of a and a few columns of b stay in the L2.
struct TilePlace {
  int m, n;
};
MT_DEVICE TilePlace place_tile(int index, int tiles_m, int tiles_n) {
  constexpr int kGroup = 16;
  const int group = index / (kGroup * tiles_n);
  const int first = group * kGroup;
  const int rows = tiles_m - first < kGroup ? tiles_m - first : kGroup;
  const int rest = index - group * kGroup * tiles_n;
  return {first + rest % rows, rest / rows};
}

// Calls body(row, col, c[row, col], c[row, col + 1]) for each pair of elements that the thread holds; col is even.
template <class Acc, class Body>
MT_DEVICE void for_each_pair(const Acc& acc, int row, int col, const Body& body) {
  row += lane_index() / 4;
  col += lane_index() % 4 * 2;
#pragma unroll
  for (int i = 0; i < Acc::kRows; i++)
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int j = 0; j < Acc::kCols; j++)
        body(row + 16 * i + 8 * half, col + 8 * j, acc.c[i][j][2 * half], acc.c[i][j][2 * half + 1]);
}

// For columns in groups of 16, which hold 8 of one kind and then 8 of another (matrix.h). Calls body(row, group, i,
// first, second) for each pair that the thread holds: first and second are arrays [2] with the elements of columns i
// and i + 1 of each kind, where i is 0, 2, 4 or 6.
template <class Acc, class Body>
MT_DEVICE void for_each_group(const Acc& acc, int row, int col, const Body& body) {
  row += lane_index() / 4;
#pragma unroll
  for (int i = 0; i < Acc::kRows; i++)
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int j = 0; j < Acc::kCols; j += 2)
        body(row + 16 * i + 8 * half, col / 16 + j / 2, lane_index() % 4 * 2, &acc.c[i][j][2 * half],
             &acc.c[i][j + 1][2 * half]);
}

}  // namespace mt::MT_TARGET
