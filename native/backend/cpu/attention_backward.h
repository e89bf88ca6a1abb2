// The backward pass of attention on the CPU.
#pragma once
#include <vector>

#include "../../base/thread_pool.h"
#include "../device.h"
#include "../pack.h"
#include "../weight_store.h"
#include "kernels.h"
#include "memory.h"

namespace mt::cpu {

class AttentionBackward {
 public:
  AttentionBackward(const CpuKernels& kernels, ThreadPool& pool);

  // Does what BackwardOps::attention_backward() does.
  void run(const std::vector<Tree>& trees, const std::vector<int32_t>& branch_start, View q, View k, View v, View out,
           View log_sums, View dout, HeadShape shape, int window, View dqkv);

 private:
  const CpuKernels& kernels_;
  ThreadPool& pool_;
  std::vector<Memory> scratch_;  // one for each thread
};

}  // namespace mt::cpu
