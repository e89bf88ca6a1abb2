// Packs weights into panels, and reads rows back out of them.
#include "matrix.h"

#include <algorithm>
#include <cstring>

namespace mt::cpu {
namespace {

constexpr int kMaxPanel = 64;
constexpr int kChunk = 64;  // columns that are rounded at a time

int divide_up(int n, int by) { return (n + by - 1) / by; }

// Pairs of bf16 are moved as floats are.
float* pairs(uint16_t* p) { return reinterpret_cast<float*>(p); }

}  // namespace

PanelShape::PanelShape(const GemmKernel& kernel, int rows, int cols, MatrixKind kind, HeadShape heads)
    : kind(kind),
      panel(kernel.panel),
      panels(kind == MatrixKind::kPlain ? divide_up(rows, panel) : divide_up(rows / 2, panel / 2)),
      k_padded(divide_up(cols, kernel.k_align) * kernel.k_align),
      rows(rows),
      half_dim(kind == MatrixKind::kQkv ? heads.head_dim / 2 : 0) {}

ColumnPlace PanelShape::place(int row) const {
  if (kind == MatrixKind::kPlain) return {row / panel, row % panel, panel - row % panel};
  const int half = panel / 2;
  int pair, member, run;
  if (kind == MatrixKind::kGateUp) {
    pair = row % (rows / 2);
    member = row / (rows / 2);
    run = rows / 2 - pair;
  } else {
    const int in_head = row % (2 * half_dim);
    pair = row / (2 * half_dim) * half_dim + in_head % half_dim;
    member = in_head / half_dim;
    run = half_dim - in_head % half_dim;
  }
  return {pair / half, member * half + pair % half, std::min(run, half - pair % half)};
}

CpuMatrix::CpuMatrix(const GemmKernel& kernel, int rows_, int cols_, MatrixKind kind_, HeadShape heads, DType dtype_,
                     void* memory)
    : kernel(kernel),
      shape(kernel, rows_, cols_, kind_, heads),
      panel_bytes_(shape.panel_bytes(dtype_)),
      memory_(static_cast<std::byte*>(memory)) {
  rows = rows_;
  cols = cols_;
  dtype = dtype_;
  kind = kind_;
  // Zeroes what no row will fill: the padding of k, whose last pair may be half filled, and the last panel.
  const int whole = kernel.pairs ? cols - cols % 2 : cols;
  const size_t filled = size_t(whole) * shape.panel * dtype_size(dtype);
  for (int p = 0; p + 1 < shape.panels; p++) std::memset(memory_ + p * panel_bytes_ + filled, 0, panel_bytes_ - filled);
  std::memset(memory_ + (shape.panels - 1) * panel_bytes_, 0, panel_bytes_);
}

template <class T, class Round>
void CpuMatrix::write_run(ColumnPlace place, int count, int col, int cols, const float* values, Round round) {
  T* p = reinterpret_cast<T*>(memory_ + place.panel * panel_bytes_);
  for (int k = 0; k < cols; k++)
    for (int j = 0; j < count; j++) p[offset(col + k, place.slot + j)] = round(values[size_t(j) * cols + k]);
}

// The rows, which one panel has, are rounded as they lie; then the pairs of each go where its panel has them.
void CpuMatrix::write_pairs(ColumnPlace place, int count, int col, int cols, const float* values,
                            const CpuKernels& kernels) {
  alignas(64) uint16_t rounded[kMaxPanel * kChunk];
  uint16_t* panel = halves_of(place.panel);
  for (int k = 0; k < cols; k += kChunk) {
    const int some = std::min(kChunk, cols - k);
    kernels.rows_to_bf16(values + k, cols, count, some, some, 1.0f, rounded, kChunk, 32);
    kernels.transpose(pairs(rounded), kChunk / 2, count, some / 2, pairs(panel + offset(col + k, place.slot)),
                      shape.panel);
  }
}

void CpuMatrix::write_block(int row, int count, int col, int cols, const float* values, const CpuKernels& kernels) {
  while (count > 0) {
    const ColumnPlace place = shape.place(row);
    const int n = std::min(count, place.run);
    switch (dtype) {
      case DType::kFloat32:
        kernels.transpose(values, cols, n, cols, floats_of(place.panel) + offset(col, place.slot), shape.panel);
        break;
      case DType::kBFloat16:
        if (col % 2 == 0 && cols % 2 == 0)
          write_pairs(place, n, col, cols, values, kernels);
        else
          write_run<uint16_t>(place, n, col, cols, values, f32_to_bf16);
        break;
      case DType::kFloat16:
        write_run<uint16_t>(place, n, col, cols, values, f32_to_f16);
        break;
    }
    row += n;
    count -= n;
    values += size_t(n) * cols;
  }
}

void CpuMatrix::write_column(int col, int row, int count, const float* values) {
  for (int n; count > 0; row += n, count -= n, values += n) {
    const ColumnPlace place = shape.place(row);
    n = std::min(count, place.run);
    if (dtype == DType::kFloat32) {
      std::memcpy(floats_of(place.panel) + offset(col, place.slot), values, size_t(n) * sizeof(float));
      continue;
    }
    uint16_t* to = halves_of(place.panel);
    for (int j = 0; j < n; j++)
      to[offset(col, place.slot + j)] = dtype == DType::kBFloat16 ? f32_to_bf16(values[j]) : f32_to_f16(values[j]);
  }
}

// A panel of this matrix at a time, of which each run of rows of w fills a block. Pairs of bf16 lie along the columns
// of w, and are to lie along its rows: rows of w are put together first.
void CpuMatrix::write_columns(const CpuMatrix& w, int first, int count, const CpuKernels& kernels) {
  alignas(64) uint16_t rows_of_w[kPairedRows * kMaxPanel];
  const bool paired = dtype != DType::kFloat32;
  const int in_word = paired ? 2 : 1, panel = shape.panel;
  for (int p = 0; p < shape.panels; p++) {
    const int own = p * panel, some = std::min(panel, rows - own);
    float* to = paired ? pairs(rows_of_w) : floats_of(p) + size_t(first) * panel;
    for (int row = first, n; row < first + count; row += n) {
      const ColumnPlace place = w.shape.place(row);
      n = std::min(first + count - row, place.run);
      const auto* from = reinterpret_cast<const float*>(w.panel(place.panel));
      kernels.transpose(from + size_t(own / in_word) * w.shape.panel + place.slot, w.shape.panel,
                        divide_up(some, in_word), n, to + size_t(row - first) * panel / in_word, panel / in_word);
    }
    if (paired)
      kernels.pair_rows_bf16(rows_of_w, panel, count, some, count + count % 2, halves_of(p) + offset(first, 0),
                             2 * panel);
  }
}

void CpuMatrix::write_bf16_columns(int first, int count, const uint16_t* values, ptrdiff_t ld,
                                   const CpuKernels& kernels) {
  for (int p = 0; p < shape.panels; p++) {
    const int own = p * shape.panel;
    kernels.pair_rows_bf16(values + own, ld, count, std::min(shape.panel, rows - own), count + count % 2,
                           halves_of(p) + offset(first, 0), 2 * shape.panel);
  }
}

void CpuMatrix::read_row(int row, float* y) const {
  const ColumnPlace place = shape.place(row);
  const std::byte* bytes = panel(place.panel);
  if (dtype == DType::kFloat32) {
    const float* p = reinterpret_cast<const float*>(bytes);
    for (int k = 0; k < cols; k++) y[k] = p[offset(k, place.slot)];
    return;
  }
  const uint16_t* p = reinterpret_cast<const uint16_t*>(bytes);
  for (int k = 0; k < cols; k++) {
    const uint16_t h = p[offset(k, place.slot)];
    y[k] = dtype == DType::kBFloat16 ? bf16_to_f32(h) : f16_to_f32(h);
  }
}

}  // namespace mt::cpu
