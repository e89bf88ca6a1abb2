// A weight packed for the micro-kernels, as panels of columns. A column is a row of the checkpoint's [out, in].
#pragma once
#include "../weight_store.h"
#include "kernels.h"

namespace mt::cpu {

// Where a row of [out, in] lies.
//   kPlain            row r is column r.
//   kGateUp, kQkv     rows form pairs: (gate j, up j), or the elements (i, i + d/2) of a head of q, k or v. The first
//                     half of a panel holds the first members of pairs, its second half the second members in the same
//                     order.
struct ColumnPlace {
  int panel;
  int slot;
  int run;  // how many rows from this one on lie side by side
};

struct PanelShape {
  PanelShape(const GemmKernel& kernel, int rows, int cols, MatrixKind kind, HeadShape heads);
  ColumnPlace place(int row) const;
  size_t panel_bytes(DType dtype) const { return size_t(k_padded) * panel * dtype_size(dtype); }
  size_t bytes(DType dtype) const { return panel_bytes(dtype) * panels; }

  MatrixKind kind;
  int panel;  // columns of a panel
  int panels;
  int k_padded;
  int rows;
  int half_dim;  // half of a head; only for kQkv
};

class CpuMatrix final : public Matrix {
 public:
  // `memory` has shape.bytes(dtype) bytes and belongs to the caller. The matrix is undefined until all rows are
  // written.
  CpuMatrix(const GemmKernel& kernel, int rows, int cols, MatrixKind kind, HeadShape heads, DType dtype, void* memory);

  // Rounds values [count, cols] f32 and stores them as rows row .. row + count - 1 of the columns from `col` on.
  void write_block(int row, int count, int col, int cols, const float* values, const CpuKernels& kernels);
  // Rounds values [count] and stores them as rows row .. row + count - 1 of column `col`.
  void write_column(int col, int row, int count, const float* values);
  // Stores rows first .. first + count - 1 of w [cols, rows] as the columns of the same indices. Both are float32 or
  // both bf16, and this matrix is kPlain. With bf16, first is even and count is at most kPairedRows.
  void write_columns(const CpuMatrix& w, int first, int count, const CpuKernels& kernels);
  // Stores row i of values [count, rows] bf16, whose rows lie ld apart, as column first + i of a kPlain matrix of bf16.
  // What is left of the last pair becomes zero; first is even.
  void write_bf16_columns(int first, int count, const uint16_t* values, ptrdiff_t ld, const CpuKernels& kernels);
  // y[i] = element i of row `row`, widened
  void read_row(int row, float* y) const;
  const std::byte* panel(int index) const { return memory_ + index * panel_bytes_; }

  static constexpr int kPairedRows = 64;  // rows of bf16 that write_columns() takes at most

  const GemmKernel& kernel;
  const PanelShape shape;

 private:
  template <class T, class Round>
  void write_run(ColumnPlace place, int count, int col, int cols, const float* values, Round round);
  void write_pairs(ColumnPlace place, int count, int col, int cols, const float* values, const CpuKernels& kernels);
  // Index of element (k, slot) within a panel.
  size_t offset(int k, int slot) const {
    return kernel.pairs ? (size_t(k / 2) * shape.panel + slot) * 2 + k % 2 : size_t(k) * shape.panel + slot;
  }

  float* floats_of(int panel) { return reinterpret_cast<float*>(memory_ + panel * panel_bytes_); }
  uint16_t* halves_of(int panel) { return reinterpret_cast<uint16_t*>(memory_ + panel * panel_bytes_); }

  size_t panel_bytes_;
  std::byte* memory_;
};

}  // namespace mt::cpu
