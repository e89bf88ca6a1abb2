// The matrix product of the CPU backend. Threads share its blocks; each finished tile is handed on while it is in the
// cache.
#pragma once
#include <functional>
#include <vector>

#include "../../base/thread_pool.h"
#include "../device.h"
#include "kernels.h"
#include "matrix.h"
#include "memory.h"

namespace mt::cpu {

// Rows row .. row + rows - 1 of h w^T in the columns of one panel, as c [rows, ldc].
struct ProductTile {
  int worker;
  int row;
  int rows;
  int panel;
  float* c;  // scratch memory: it may be changed
  ptrdiff_t ldc;
};

// Where sums are written: row r begins at data + r * ld.
struct FloatRows {
  float* data;
  ptrdiff_t ld;
};

class Gemm {
 public:
  Gemm(const CpuKernels& kernels, ThreadPool& pool);

  // Calls finish(tile) for each tile of h w^T, on any thread. A task has panel_block panels, the first of which is a
  // multiple of panel_block; 0 means as many as balance the threads. The panels of one task come in ascending order on
  // one thread. If there is a `direct`, kernels may write the columns of whole panels of a kPlain matrix there: those
  // tiles are not handed on.
  void multiply(View h, const CpuMatrix& w, int panel_block, const std::function<void(const ProductTile&)>& finish,
                FloatRows direct = {});
  // The same for h_t^T w^T, h_t being [w.cols, rows]. w is float32.
  void multiply_transposed(View h_t, const CpuMatrix& w, const std::function<void(const ProductTile&)>& finish);

 private:
  struct Input {
    const void* data;
    ptrdiff_t lda;
    decltype(GemmKernel::run) run;  // the kernel that reads it
  };
  // Brings h into the form that the kernel reads, with rows padded with zeros to the kernel's alignment.
  Input prepare(View h, const CpuMatrix& w);
  Input prepare_transposed(View h_t, const CpuMatrix& w);
  void multiply_prepared(const Input& input, int rows, const CpuMatrix& w, int panel_block,
                         const std::function<void(const ProductTile&)>& finish, FloatRows direct);
  // Writes rows row .. row + width - 1 of h as a strip [k, width], with zeros outside of h. `widened` is scratch
  // memory.
  void pack_float_strip(View h, int row, int width, int k, float* widened, float* out);

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  Memory input_;
  std::vector<Memory> tiles_;  // one for each thread
};

}  // namespace mt::cpu
