// The language-model head on the CPU. It holds the logits of only a few rows in memory at a time.
#pragma once
#include <span>

#include "../../base/control.h"
#include "../../base/thread_pool.h"
#include "../forward_ops.h"
#include "gemm.h"
#include "matrix.h"
#include "memory.h"

namespace mt::cpu {

// Rows are processed in parts, whose scratch memory is at most 64 MiB or that of one row. The bits of a row depend
// neither on its part nor on the number of threads. Scratch memory is kept for the next call.
class Head {
 public:
  Head(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm);

  // These compute what ForwardOps::head_score, head_sample and head_logits specify.
  //
  // The vocabulary is cut into ranges of 1,024 ids. Within a range the log-sum-exp runs on over the panels; the ranges
  // are combined in order. The k best tokens of a row are selected in time that grows with vocab + k log k.
  void score(View h, const CpuMatrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
             const Control& control);
  void sample(View h, const CpuMatrix& w, std::span<const Draw> draws, const LogitChanges& changes,
              std::span<int32_t> ids, std::span<float> log_prob, const Control& control);
  void logits(View h, const CpuMatrix& w, float* logits, const Control& control);

 private:
  // Calls body(first row, its rows of h) for each part; a row takes `bytes_per_row` of scratch memory.
  template <class Body>
  void for_parts(View h, size_t bytes_per_row, const Body& body);
  void score_part(View h, const CpuMatrix& w, const int32_t* targets, int top_k, HeadResult result,
                  const Control& control);

  const CpuKernels& kernels_;
  ThreadPool& pool_;
  Gemm& gemm_;
  Memory partials_;  // [ranges, rows of a part] HeadPartial
  Memory targets_;   // [rows of a part] logits of the targets
  Memory logits_;    // [rows of a part, vocab]
  Memory lists_;     // [threads] a list of the tokens among which the thread chooses
};

}  // namespace mt::cpu
