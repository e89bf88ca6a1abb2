// The matrix product of the CPU backend: blocks over threads, each finished tile handed on while it is in the cache.
#pragma once
#include <functional>
#include <vector>

#include "../../base/thread_pool.h"
#include "../backend.h"
#include "kernels.h"
#include "matrix.h"
#include "memory.h"

namespace mt::cpu {

// Rows row .. row + rows - 1 of h w^T in the columns of one panel: c [rows, ldc].
struct ProductTile {
  int worker;
  int row;
  int rows;
  int panel;
  const float* c;
  ptrdiff_t ldc;
};

class Gemm {
 public:
  Gemm(const CpuKernels& kernels, ThreadPool& pool);

  // Calls finish(tile) for each tile of h w^T, on any thread. Panels of one task come in ascending order on one thread;
  // a task has panel_block panels from a multiple of panel_block on, 0 meaning as many as balance the threads.
  void multiply(View h, const CpuMatrix& w, int panel_block, const std::function<void(const ProductTile&)>& finish);

 private:
  struct Input {
    const void* data;
    ptrdiff_t lda;
  };
  // Brings h into the form that the kernel reads, rows padded with zeros to the kernel's alignment.
  Input prepare(View h, const CpuMatrix& w);
  // Rows row .. row + width - 1 of h as a strip [k, width] with zeros outside of h; `widened` is scratch memory.
  void pack_float_strip(View h, int row, int width, int k, float* widened, float* out);

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  Memory input_;
  std::vector<Memory> tiles_;  // one a thread
};

}  // namespace mt::cpu
