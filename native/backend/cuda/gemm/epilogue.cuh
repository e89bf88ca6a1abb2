// What matrix products and their epilogues share: the order of tiles, and walks over a warp's accumulators.
//
// An epilogue is called by whole warps, epilogue(acc, row, col): acc.c[i][j] is the fragment of mma_m16n8k16 at row
// 16 i, column 8 j, i < acc.kRows, j < acc.kCols; its first element is c[row, col], which may be past m or n. row is a
// multiple of 16, col of 32.
#pragma once
#include "../device/device.cuh"

namespace mt::MT_TARGET {

// The place of tile `index` in the order of work: neighbours in a group of up to 16 tiles of rows share columns of b,
// so that a group's rows of a and a few columns of b stay in the L2.
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

// body(row, col, c[row, col], c[row, col + 1]) for the thread's pairs of elements; col is even.
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

// Columns in groups of 16 that hold 8 of one kind and 8 of another (matrix.h): body(row, group, i, first, second) with
// i = 0, 2, 4, 6 and first, second the two neighbours [2] at columns i, i + 1 of each kind.
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
