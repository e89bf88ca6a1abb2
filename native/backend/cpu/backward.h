// The ops of the backward pass and of the optimizer on the CPU.
#pragma once
#include <memory>

#include "../../base/thread_pool.h"
#include "../backward_ops.h"
#include "gemm.h"
#include "kernels.h"

namespace mt::cpu {

// It works with the backend's threads and with its scratch memory of products.
std::unique_ptr<BackwardOps> make_backward_ops(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm);

}  // namespace mt::cpu
