// The matrix product of the CPU backend. Threads share its blocks; each finished tile is handed on while it is in the
// cache.
#pragma once
#include <functional>
#include <vector>

#include "../../base/thread_pool.h"
#include "../backward_ops.h"
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

  // Calls finish(tile) for each tile of h w^T + z b^T, on any thread; what adapters add is added to the tile's sums
  // last. A task has panel_block panels, the first of which is a multiple of panel_block; 0 means as many as balance
  // the threads. The panels of one task come in ascending order on one thread. If there is a `direct`, kernels may
  // write the columns of whole panels of a kPlain matrix there: those tiles are not handed on.
  void multiply(View h, const CpuMatrix& w, int panel_block, const std::function<void(const ProductTile&)>& finish,
                const LowRank& added = {}, FloatRows direct = {});
  // The same for h_t^T w^T, h_t being [w.cols, rows]. w is float32.
  void multiply_transposed(const Columns& h_t, const CpuMatrix& w,
                           const std::function<void(const ProductTile&)>& finish);

 private:
  // How a product is cut into tasks and passes.
  struct Blocks {
    int row_block, row_blocks;     // rows of a task
    int panel_block, panel_tasks;  // panels of a task
    int k_block;                   // k of a pass
    // These, where each row belongs to one task alone, which can pack it for itself; else null.
    const Blocks* own() const { return panel_tasks == 1 ? this : nullptr; }
  };
  // Writes k0 .. k1 - 1 of rows row .. row + rows - 1 as strips, one after another.
  using Pack = std::function<void(int row, int rows, int k0, int k1, int worker, float* strips)>;
  // A matrix and what is multiplied by it: in the form that the kernel reads, or packed by each task for itself.
  struct Input {
    const CpuMatrix* w;
    const void* data;
    ptrdiff_t lda;
    decltype(GemmKernel::run) run;  // the kernel that reads it
    Pack pack = {};
  };
  Blocks blocks_of(const CpuMatrix& w, int h_rows, int panel_block) const;
  // Brings h into the form that the kernel reads, in `memory`, with rows padded with zeros to the kernel's alignment.
  // With `own` tasks pack for themselves if they can.
  Input prepare(View h, const CpuMatrix& w, const Blocks* own, Memory& memory);
  Input prepare_transposed(const Columns& h_t, const CpuMatrix& w, const Blocks* own);
  // The input whose strips `pack` writes: with `own` each task those of its block, pass by pass, so that they are read
  // from a near cache; else all are packed before, `step` rows at a time.
  Input strips(int h_rows, const CpuMatrix& w, const Blocks* own, int step, const Pack& pack, Memory& memory);
  // `added` is null, or what is multiplied and added at the end.
  void multiply_prepared(const Input& input, const Input* added, int rows, const Blocks& blocks,
                         const std::function<void(const ProductTile&)>& finish, FloatRows direct);
  void pack_rows(View h, int width, int row, int rows, int k0, int k1, int worker, float* strips);
  void pack_columns(const Columns& h_t, int width, int row, int rows, int k0, int k1, float* strips) const;

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  Memory input_, added_;
  std::vector<Memory> tiles_, added_sums_, strips_, widened_;  // one for each thread
};

}  // namespace mt::cpu
