// The matrix product of the CPU backend.
#include "gemm.h"

#include <algorithm>
#include <cstring>

namespace mt::cpu {
namespace {

int divide_up(int n, int by) { return (n + by - 1) / by; }

// Rows that are widened for a strip if activations are bf16: as many as a vector has lanes, so that whole blocks can be
// transposed.
constexpr int kWidenedRows = 16;
// Columns of a transposed input that a task takes, and the widest strip of any kernel.
constexpr int kWidenedCols = 96, kMaxStrip = 64;

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

Gemm::Gemm(const CpuKernels& kernels, ThreadPool& pool) : kernels_(kernels), pool_(pool), tiles_(pool.threads()) {}

Gemm::Input Gemm::prepare(View h, const CpuMatrix& w) {
  const int k = w.shape.k_padded;
  switch (w.kernel.input) {
    case InputForm::kFloatRows:
      break;  // only attention uses it
    case InputForm::kFloatStrips: {
      // One panel is multiplied faster than rows are packed into strips.
      if (w.shape.panels == 1 && h.dtype == DType::kFloat32 && w.dtype == DType::kFloat32)
        return {h.data, h.cols, kernels_.attention_f32.run};
      const int width = w.kernel.row_align, strips = divide_up(h.rows, width);
      input_.reserve_zeroed(size_t(strips) * width * k * 4);
      if (h.dtype == DType::kBFloat16)
        for (Memory& memory : tiles_) memory.reserve_zeroed(size_t(kWidenedRows) * h.cols * 4);
      pool_.parallel_for(strips, [&](int strip, int worker) {
        pack_float_strip(h, strip * width, width, k, tiles_[worker].as<float>(),
                         input_.as<float>() + size_t(strip) * width * k);
      });
      return {input_.data(), k, w.kernel.run};
    }
    case InputForm::kBf16Rows: {
      if (k == h.cols) return {h.data, k, w.kernel.run};
      input_.reserve_zeroed(size_t(h.rows) * k * 2);
      auto* out = input_.as<uint16_t>();
      for (int r = 0; r < h.rows; r++) {
        std::memcpy(out + size_t(r) * k, static_cast<const uint16_t*>(h.data) + size_t(r) * h.cols, size_t(h.cols) * 2);
        std::fill(out + size_t(r) * k + h.cols, out + size_t(r) * k + k, uint16_t{0});
      }
      return {out, k, w.kernel.run};
    }
    case InputForm::kBf16Tiles: {
      const int strips = divide_up(h.rows, 16);
      input_.reserve_zeroed(size_t(strips) * 16 * k * 2);
      auto* out = input_.as<uint16_t>();
      pool_.parallel_for(strips, [&](int strip, int) { pack_tiles(h, strip, k, out + size_t(strip) * 16 * k); });
      return {out, k, w.kernel.run};
    }
  }
  return {};
}

// Each k of a strip is a piece of a row of h_t. A task takes many strips, so that it reads whole cache lines.
Gemm::Input Gemm::prepare_transposed(View h_t, const CpuMatrix& w) {
  const int width = w.kernel.row_align, k = w.shape.k_padded, strips = divide_up(h_t.cols, width);
  input_.reserve_zeroed(size_t(strips) * width * k * 4);
  const int some = divide_up(kWidenedCols, width);
  pool_.parallel_for(divide_up(strips, some), [&](int task, int) {
    const int first = task * some * width, cols = std::min(some * width, h_t.cols - first);
    float* out = input_.as<float>() + size_t(first) * k;
    const ptrdiff_t strip = ptrdiff_t{width} * k;
    if (h_t.dtype == DType::kFloat32) {
      kernels_.pack_columns(static_cast<const float*>(h_t.data) + first, h_t.cols, h_t.rows, cols, out, strip);
    } else {
      float rows[kWidenedRows][kWidenedCols + kMaxStrip];
      for (int t = 0; t < h_t.rows; t += kWidenedRows) {
        const int count = std::min(kWidenedRows, h_t.rows - t);
        for (int r = 0; r < count; r++)
          kernels_.widen_bf16(static_cast<const uint16_t*>(h_t.data) + size_t(t + r) * h_t.cols + first, cols, rows[r]);
        kernels_.pack_columns(rows[0], kWidenedCols + kMaxStrip, count, cols, out + size_t(t) * width, strip);
      }
    }
    for (int i = 0; i < cols; i += width)
      std::fill(out + size_t(i) * k + size_t(h_t.rows) * width, out + size_t(i + width) * k, 0.0f);
  });
  return {input_.data(), k, w.kernel.run};
}

void Gemm::pack_float_strip(View h, int row, int width, int k, float* widened, float* out) {
  const int rows = std::min(width, h.rows - row);
  const float* x = static_cast<const float*>(h.data) + size_t(row) * h.cols;
  int readable = h.rows - row;
  if (h.dtype == DType::kBFloat16) {
    readable = std::min(readable, kWidenedRows);
    for (int r = 0; r < readable; r++)
      kernels_.widen_bf16(static_cast<const uint16_t*>(h.data) + size_t(row + r) * h.cols, h.cols,
                          widened + size_t(r) * h.cols);
    x = widened;
  }
  kernels_.pack_strip(x, h.cols, rows, readable, h.cols, out);
  std::fill(out + size_t(h.cols) * width, out + size_t(k) * width, 0.0f);
}

void Gemm::multiply(View h, const CpuMatrix& w, int panel_block, const std::function<void(const ProductTile&)>& finish,
                    FloatRows direct) {
  if (h.rows > 0) multiply_prepared(prepare(h, w), h.rows, w, panel_block, finish, direct);
}

void Gemm::multiply_transposed(View h_t, const CpuMatrix& w, const std::function<void(const ProductTile&)>& finish) {
  if (h_t.rows > 0) multiply_prepared(prepare_transposed(h_t, w), h_t.cols, w, 0, finish, {});
}

void Gemm::multiply_prepared(const Input& input, int h_rows, const CpuMatrix& w, int panel_block,
                             const std::function<void(const ProductTile&)>& finish, FloatRows direct) {
  const GemmKernel& kernel = w.kernel;
  const int k = w.shape.k_padded, panel = kernel.panel, panels = w.shape.panels;
  const bool tiles = kernel.input == InputForm::kBf16Tiles;
  const int row_block = tiles ? tiled_row_block(kernel, h_rows, k)
                              : std::min(kernel.row_block, divide_up(h_rows, kernel.row_align) * kernel.row_align);
  const int row_blocks = divide_up(h_rows, row_block);
  if (panel_block == 0) {
    panel_block = kernel.panel_block;
    while (panel_block > 1 && divide_up(panels, panel_block) * row_blocks < 4 * pool_.threads()) panel_block /= 2;
  }
  const size_t element = kernel.input == InputForm::kFloatStrips ? 4 : 2;
  const int k_block = pass_length(kernel, row_block, k);
  const bool one_pass = k <= k_block;
  const size_t tile = size_t(row_block) * panel;
  // Other kernels write rows that are there only to fill a tile.
  const int direct_panels = direct.data && kernel.input == InputForm::kFloatStrips ? w.rows / panel : 0;
  for (Memory& memory : tiles_) memory.reserve_zeroed(tile * 4 * (one_pass ? 1 : panel_block));

  const int panel_tasks = divide_up(panels, panel_block), threads = pool_.threads();
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
    const auto* a = static_cast<const std::byte*>(input.data) + size_t(row) * input.lda * element;
    float* sums = tiles_[worker].as<float>();
    for (int k0 = 0; k0 < k; k0 += k_block) {
      const int k1 = std::min(k, k0 + k_block);
      for (int p = first; p < last; p++) {
        if (p < direct_panels) {
          float* c = direct.data + row * direct.ld + ptrdiff_t{p} * panel;
          input.run(a, input.lda, rows, w.panel(p), k0, k1, c, direct.ld, k0 > 0);
          continue;
        }
        float* c = one_pass ? sums : sums + (p - first) * tile;
        input.run(a, input.lda, rows, w.panel(p), k0, k1, c, panel, k0 > 0);
        if (k1 == k) finish({worker, row, rows, p, c, panel});
      }
    }
  });
}

}  // namespace mt::cpu
