// Attention over the flat tree on the CPU.
#pragma once
#include <vector>

#include "../../base/thread_pool.h"
#include "../device.h"
#include "../pack.h"
#include "../weight_store.h"
#include "kernels.h"
#include "memory.h"

namespace mt::cpu {

// Rows [begin, end) of one tree, all of them in its prefix or all in its branches. They share the loads of keys that
// all of them see.
struct QueryTile {
  Tree tree;
  int begin;
  int end;
};

std::vector<QueryTile> query_tiles(const Pack& pack, HeadShape shape);

class Attention {
 public:
  Attention(const CpuKernels& kernels, ThreadPool& pool);

  // Does what ForwardOps::attention() does. Keys and values of the segment are rows of cache_k and cache_v.
  void run(const std::vector<QueryTile>& tiles, const std::vector<int32_t>& branch_start, View q, View k, View v,
           const float* cache_k, const float* cache_v, HeadShape shape, int window, View out, View log_sums);

 private:
  const CpuKernels& kernels_;
  ThreadPool& pool_;
  std::vector<Memory> scratch_;  // one for each thread
};

}  // namespace mt::cpu
