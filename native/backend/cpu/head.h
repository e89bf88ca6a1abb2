// The language-model head on the CPU: what head_score() says of each row, with the logits only ever in a tile.
#pragma once
#include "../backend.h"
#include "gemm.h"

namespace mt::cpu {

// The vocabulary is cut into ranges of 1,024 ids. Within a range the log-sum-exp runs on over the panels; the ranges
// are combined in order. So the bits depend neither on threads nor on the number of rows.
void head_score(const CpuKernels& kernels, Gemm& gemm, View h, const CpuMatrix& w, std::span<const int32_t> targets,
                int top_k, HeadResult result);

}  // namespace mt::cpu
