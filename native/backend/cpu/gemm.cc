// The matrix product of the CPU backend.
#include "gemm.h"

#include <algorithm>
#include <cstring>

#include "arrays.h"

namespace mt::cpu {
namespace {

int divide_up(int n, int by) { return (n + by - 1) / by; }

// Rows that are widened for a strip if activations are bf16: as many as a vector has lanes, so that whole blocks can be
// transposed.
constexpr int kWidenedRows = 16;
// Columns of a transposed input that are packed at a time, and the widest strip of any kernel.
constexpr int kPackedCols = 96, kMaxStrip = 64;

// Writes the [16, 32] blocks of one strip of 16 rows, with zeros outside of h. It takes four rows at a time, because
// the processor predicts reads along so many rows.
void pack_tiles(View h, int strip, int k_padded, uint16_t* out) {
  const auto* rows = static_cast<const uint16_t*>(h.data) + size_t(16 * strip) * h.cols;
  const int count = std::min(16, h.rows - 16 * strip);
  for (int r0 = 0; r0 < 16; r0 += 4)
    for (int k = 0; k < k_padded; k += 32)
      for (int r = r0; r < r0 + 4; r++) {
        uint16_t* to = out + size_t(16) * k + 32 * r;
        const int n = r < count ? std::min(32, h.cols - k) : 0;
        if (n == 32) {
          std::memcpy(to, rows + size_t(r) * h.cols + k, 64);
        } else {
          if (n > 0) std::memcpy(to, rows + size_t(r) * h.cols + k, 2 * n);
          std::memset(to + std::max(n, 0), 0, 2 * (32 - std::max(n, 0)));
        }
      }
}

// Rows of a block: more if k is short, up to 512. All blocks have about the same size, because a small last one would
// read all panels for little work.
int tiled_row_block(const GemmKernel& kernel, int rows, int k) {
  const int max_rows = std::min(512, kernel.row_block * kernel.k_block / std::min(k, kernel.k_block));
  return divide_up(divide_up(rows, divide_up(rows, max_rows)), kernel.row_align) * kernel.row_align;
}

// The k of a pass: so much that `rows` rows of it take no more of the cache than a whole block of the kernel does. All
// passes have about the same length.
int pass_length(const GemmKernel& kernel, int rows, int k) {
  const int max_length = kernel.k_block * (kernel.row_block / std::min(rows, kernel.row_block));
  return divide_up(divide_up(k, divide_up(k, max_length)), kernel.k_align) * kernel.k_align;
}

}  // namespace

Gemm::Gemm(const CpuKernels& kernels, ThreadPool& pool)
    : kernels_(kernels),
      pool_(pool),
      tiles_(pool.threads()),
      added_sums_(pool.threads()),
      strips_(pool.threads()),
      widened_(pool.threads()) {}

Gemm::Blocks Gemm::blocks_of(const CpuMatrix& w, int h_rows, int panel_block) const {
  const GemmKernel& kernel = w.kernel;
  const int k = w.shape.k_padded, panels = w.shape.panels;
  Blocks b;
  b.row_block = kernel.input == InputForm::kBf16Tiles
                    ? tiled_row_block(kernel, h_rows, k)
                    : std::min(kernel.row_block, divide_up(h_rows, kernel.row_align) * kernel.row_align);
  b.row_blocks = divide_up(h_rows, b.row_block);
  b.panel_block = panel_block;
  if (panel_block == 0) {
    b.panel_block = kernel.panel_block;
    while (b.panel_block > 1 && divide_up(panels, b.panel_block) * b.row_blocks < 4 * pool_.threads())
      b.panel_block /= 2;
  }
  b.panel_tasks = divide_up(panels, b.panel_block);
  b.k_block = pass_length(kernel, b.row_block, k);
  return b;
}

Gemm::Input Gemm::prepare(View h, const CpuMatrix& w, const Blocks* own, Memory& memory) {
  const int k = w.shape.k_padded;
  switch (w.kernel.input) {
    case InputForm::kFloatRows:
      break;  // only attention uses it
    case InputForm::kFloatStrips:
      // One panel is multiplied faster than rows are packed into strips.
      if (w.shape.panels == 1 && h.dtype == DType::kFloat32 && w.dtype == DType::kFloat32) {
        const bool narrow = w.rows <= kernels_.narrow_cols && w.kind == MatrixKind::kPlain;
        return {&w, h.data, h.cols, narrow ? kernels_.narrow_f32 : kernels_.attention_f32.run};
      }
      if (h.dtype == DType::kBFloat16)
        for (Memory& room : widened_) room.reserve_zeroed(size_t(kWidenedRows) * h.cols * 4);
      return strips(
          h.rows, w, own, w.kernel.row_align,
          [this, h, width = w.kernel.row_align](int row, int rows, int k0, int k1, int worker, float* to) {
            pack_rows(h, width, row, rows, k0, k1, worker, to);
          },
          memory);
    case InputForm::kBf16Rows: {
      if (k == h.cols) return {&w, h.data, k, w.kernel.run};
      memory.reserve_zeroed(size_t(h.rows) * k * 2);
      auto* out = memory.as<uint16_t>();
      for (int r = 0; r < h.rows; r++) {
        std::memcpy(out + size_t(r) * k, static_cast<const uint16_t*>(h.data) + size_t(r) * h.cols, size_t(h.cols) * 2);
        std::fill(out + size_t(r) * k + h.cols, out + size_t(r) * k + k, uint16_t{0});
      }
      return {&w, out, k, w.kernel.run};
    }
    case InputForm::kBf16Tiles: {
      const int strips = divide_up(h.rows, 16);
      memory.reserve_zeroed(size_t(strips) * 16 * k * 2);
      auto* out = memory.as<uint16_t>();
      pool_.parallel_for(strips, [&](int strip, int) { pack_tiles(h, strip, k, out + size_t(strip) * 16 * k); });
      return {&w, out, k, w.kernel.run};
    }
  }
  return {};
}

Gemm::Input Gemm::prepare_transposed(const Columns& h_t, const CpuMatrix& w, const Blocks* own) {
  const int width = w.kernel.row_align;
  // Many strips go together, so that whole cache lines are read.
  return strips(
      h_t.count, w, own, divide_up(kPackedCols, width) * width,
      [this, h_t, width](int row, int rows, int k0, int k1, int, float* to) {
        pack_columns(h_t, width, row, rows, k0, k1, to);
      },
      input_);
}

Gemm::Input Gemm::strips(int h_rows, const CpuMatrix& w, const Blocks* own, int step, const Pack& pack,
                         Memory& memory) {
  const int width = w.kernel.row_align, k = w.shape.k_padded;
  if (own) {
    for (Memory& room : strips_) room.reserve_zeroed(size_t(own->row_block) * own->k_block * 4);
    return {&w, nullptr, 0, w.kernel.run, pack};
  }
  memory.reserve_zeroed(size_t(divide_up(h_rows, width)) * width * k * 4);
  pool_.parallel_for(divide_up(h_rows, step), [&](int task, int worker) {
    const int row = task * step;
    pack(row, std::min(step, h_rows - row), 0, k, worker, memory.as<float>() + size_t(row) * k);
  });
  return {&w, memory.data(), k, w.kernel.run};
}

void Gemm::pack_rows(View h, int width, int row, int rows, int k0, int k1, int worker, float* strips) {
  const int cols = std::min(k1, h.cols) - k0;
  for (int r = row; r < row + rows; r += width, strips += size_t(k1 - k0) * width) {
    const size_t at = size_t(r) * h.cols + k0;
    const float* x = static_cast<const float*>(h.data) + at;
    ptrdiff_t ldx = h.cols;
    int readable = h.rows - r;
    if (h.dtype == DType::kBFloat16) {
      readable = std::min(readable, kWidenedRows);
      float* widened = widened_[worker].as<float>();
      for (int i = 0; i < readable; i++)
        kernels_.widen_bf16(static_cast<const uint16_t*>(h.data) + at + size_t(i) * h.cols, cols,
                            widened + size_t(i) * cols);
      x = widened;
      ldx = cols;
    }
    kernels_.pack_strip(x, ldx, std::min(width, h.rows - r), readable, cols, strips);
    std::fill(strips + size_t(cols) * width, strips + size_t(k1 - k0) * width, 0.0f);
  }
}

// Each k of a strip is a piece of a row of h_t.
void Gemm::pack_columns(const Columns& h_t, int width, int row, int rows, int k0, int k1, float* strips) const {
  const View x = h_t.x;
  const int end = std::min(k1, x.rows), first = h_t.first + row;
  const ptrdiff_t strip = ptrdiff_t{width} * (k1 - k0);
  if (x.dtype == DType::kFloat32) {
    kernels_.pack_columns(floats(x, k0) + first, x.cols, end - k0, rows, strips, strip);
  } else {
    float values[kWidenedRows][kPackedCols + kMaxStrip];
    for (int k = k0; k < end; k += kWidenedRows) {
      const int count = std::min(kWidenedRows, end - k);
      for (int i = 0; i < count; i++) kernels_.widen_bf16(halves(x, k + i) + first, rows, values[i]);
      kernels_.pack_columns(values[0], kPackedCols + kMaxStrip, count, rows, strips + size_t(k - k0) * width, strip);
    }
  }
  for (int r = 0; r < rows; r += width, strips += strip)
    std::fill(strips + size_t(end - k0) * width, strips + size_t(k1 - k0) * width, 0.0f);
}

void Gemm::multiply(View h, const CpuMatrix& w, int panel_block, const std::function<void(const ProductTile&)>& finish,
                    const LowRank& added, FloatRows direct) {
  if (h.rows == 0) return;
  const Blocks blocks = blocks_of(w, h.rows, panel_block);
  const Input input = prepare(h, w, blocks.own(), input_);
  if (!added.b) return multiply_prepared(input, nullptr, h.rows, blocks, finish, direct);
  const Input low_rank = prepare(added.z, packed(*added.b), nullptr, added_);
  multiply_prepared(input, &low_rank, h.rows, blocks, finish, direct);
}

void Gemm::multiply_transposed(const Columns& h_t, const CpuMatrix& w,
                               const std::function<void(const ProductTile&)>& finish) {
  if (h_t.x.rows == 0) return;
  const Blocks blocks = blocks_of(w, h_t.count, 0);
  multiply_prepared(prepare_transposed(h_t, w, blocks.own()), nullptr, h_t.count, blocks, finish, {});
}

void Gemm::multiply_prepared(const Input& input, const Input* added, int h_rows, const Blocks& blocks,
                             const std::function<void(const ProductTile&)>& finish, FloatRows direct) {
  const CpuMatrix& w = *input.w;
  const GemmKernel& kernel = w.kernel;
  const int k = w.shape.k_padded, panel = kernel.panel, panels = w.shape.panels;
  const int row_block = blocks.row_block, row_blocks = blocks.row_blocks, k_block = blocks.k_block;
  const int panel_block = blocks.panel_block, panel_tasks = blocks.panel_tasks;
  const bool tiles = kernel.input == InputForm::kBf16Tiles;
  const size_t element = kernel.input == InputForm::kFloatStrips ? 4 : 2;
  const bool one_pass = k <= k_block;
  const size_t tile = size_t(row_block) * panel;
  // Other kernels write rows that are there only to fill a tile.
  const int direct_panels = direct.data && kernel.input == InputForm::kFloatStrips ? w.rows / panel : 0;
  for (Memory& memory : tiles_) memory.reserve_zeroed(tile * 4 * (one_pass ? 1 : panel_block));
  if (added)
    for (Memory& memory : added_sums_) memory.reserve_zeroed(tile * 4);

  const int threads = pool_.threads();
  pool_.parallel_for(panel_tasks * row_blocks, [&](int task, int worker) {
    int row_task = task / panel_tasks, panel_task = task % panel_tasks;
    if (!tiles) {
      // A thread takes a panel through all of its rows, so that the panel is read from memory once. Kernels with tiles
      // need so little time for a panel that reading the rows again for each one would cost more. Their neighbouring
      // tasks share rows, which stay in the second-level cache.
      const int thread = ((row_task + 1) * threads - 1) / row_blocks;
      const int begin = row_blocks * thread / threads, own = row_blocks * (thread + 1) / threads - begin;
      const int i = task - begin * panel_tasks;
      row_task = begin + i % own;
      panel_task = i / own;
    }
    const int first = panel_task * panel_block, last = std::min(panels, first + panel_block);
    const int row = row_task * row_block, rows = std::min(h_rows - row, row_block);
    const auto rows_of = [&](const Input& from) {
      return static_cast<const std::byte*>(from.data) + size_t(row) * from.lda * element;
    };
    auto* own = strips_[worker].as<float>();
    float* sums = tiles_[worker].as<float>();
    for (int k0 = 0; k0 < k; k0 += k_block) {
      const int k1 = std::min(k, k0 + k_block);
      if (input.pack) input.pack(row, rows, k0, k1, worker, own);
      // What the task has packed begins with k0.
      const void* a = input.pack ? static_cast<const void*>(own) : rows_of(input);
      const ptrdiff_t lda = input.pack ? k1 - k0 : input.lda;
      const int skipped = input.pack ? k0 : 0;
      const auto run = [&](int p, float* c, ptrdiff_t ldc) {
        const std::byte* b = w.panel(p) + size_t(skipped) * panel * dtype_size(w.dtype);
        input.run(a, lda, rows, b, k0 - skipped, k1 - skipped, c, ldc, k0 > 0);
        if (!added || k1 < k) return;
        // By itself it is summed among numbers of its own size, so that rounding takes less of it.
        auto* sum = added_sums_[worker].as<float>();
        added->run(rows_of(*added), added->lda, rows, added->w->panel(p), 0, added->w->shape.k_padded, sum, panel,
                   false);
        kernels_.add_tile(sum, panel, rows, panel, nullptr, c, c, ldc);
      };
      for (int p = first; p < last; p++) {
        if (p < direct_panels) {
          run(p, direct.data + row * direct.ld + ptrdiff_t{p} * panel, direct.ld);
          continue;
        }
        float* c = one_pass ? sums : sums + (p - first) * tile;
        run(p, c, panel);
        if (k1 == k) finish({worker, row, rows, p, c, panel});
      }
    }
  });
}

}  // namespace mt::cpu
