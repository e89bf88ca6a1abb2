// The language-model head on the CPU: what it says of each row, with the logits of a few rows at most in memory.
#pragma once
#include <span>

#include "../../base/control.h"
#include "../../base/thread_pool.h"
#include "../backend.h"
#include "gemm.h"
#include "matrix.h"
#include "memory.h"

namespace mt::cpu {

// Rows go in parts whose scratch memory takes 64 MiB at most, or is that of one row. No part and no thread changes a
// bit. Scratch memory is kept for the next call.
class Head {
 public:
  Head(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm);

  // As Backend::head_score, head_sample and head_logits.
  //
  // The vocabulary is cut into ranges of 1,024 ids. Within a range the log-sum-exp runs on over the panels; the ranges
  // are combined in order. Of a row the k best are selected in time that grows with vocab + k log k.
  void score(View h, const CpuMatrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
             const Control& control);
  void sample(View h, const CpuMatrix& w, const Sampling& sampling, std::span<const uint64_t> random,
              std::span<int32_t> ids, std::span<float> log_prob, const Control& control);
  void logits(View h, const CpuMatrix& w, float* logits, const Control& control);

 private:
  // body(first row, its rows of h) for each part of rows that take `bytes_per_row` of scratch memory.
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
  Memory lists_;     // of each thread: tokens among which it chooses
};

}  // namespace mt::cpu
