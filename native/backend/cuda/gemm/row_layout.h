// The order in which a weight's rows stand on the device.
//
//   kPlain   row r stands at r
//   kGateUp  groups of 16 rows: rows 8 g .. 8 g + 7 of gate, then the same rows of up
//   kQkv     each head of q, k and v in groups of 16 rows: 8 rows of its first half, then the 8 rows half a head later
// The last group of gate or of a head's half may be incomplete; the missing rows are zero.
#pragma once
#include "../../backend.h"
#include "../device/types.h"

namespace mt::MT_TARGET {

constexpr int kGroupRows = 8;  // neighbouring rows of one kind: as many as a fragment has columns

// Where rows stand, for the host and for kernels.
struct RowPlaces {
  int part = 0;  // rows that are cut into groups together: those of gate or up, or half a head; 0: rows in order

  MT_HOST_DEVICE int groups() const { return (part + kGroupRows - 1) / kGroupRows; }
  MT_HOST_DEVICE int place(int row) const {
    if (part == 0) return row;
    const int pair = row / (2 * part), i = row % part, second = row / part % 2;
    return ((pair * groups() + i / kGroupRows) * 2 + second) * kGroupRows + i % kGroupRows;
  }
};

struct RowLayout {
  RowLayout(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype);
  size_t bytes() const { return static_cast<size_t>(packed_rows) * stride * dtype_size(dtype); }

  MatrixKind kind;
  DType dtype;
  RowPlaces places;
  int packed_rows;  // rows, including the missing ones of incomplete groups
  int64_t stride;   // elements from one row to the next: the columns, padded to a multiple of 16 bytes
};

}  // namespace mt::MT_TARGET
