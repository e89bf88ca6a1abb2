// The loss of a row of logits, and its gradient. A block has one row. Bound by memory: it reads the logits three times
// and writes the gradient.
#include "../runtime/launch.cuh"
#include "candidate.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// Thread i adds columns i, i + 256, ...; then the sums of the lanes and those of the warps are added. `dz` may be the
// logits: each thread reads and writes its own columns.
template <class T>
MT_KERNEL(kThreads, 4)
head_loss_kernel(const float* logits, int vocab, const int32_t* targets, const float* weights, T* dz, float* losses,
                 int32_t* best_ids) {
  const int row = block_x(), target = targets[row];
  logits += static_cast<int64_t>(row) * vocab;
  dz += static_cast<int64_t>(row) * vocab;
  auto* warps = reinterpret_cast<Candidate*>(shared_memory());
  auto* sums = reinterpret_cast<float*>(warps + kWarps);

  Candidate mine;
  for (int i = thread_index(); i < vocab; i += kThreads) {
    const Candidate c = {logits[i], i};
    if (c.better_than(mine)) mine = c;
  }
  const Candidate best = best_of_block<kWarps>(mine, warps);
  float sum = 0;
  for (int i = thread_index(); i < vocab; i += kThreads) sum += exp_f32(logits[i] - best.logit);
  const float target_logit = logits[target];
  // All have read the target's logit, which one thread overwrites below, once the sum is there.
  const float log_total = log_f32(block_sum(sum, kWarps, sums)), weight = weights[row];
  for (int i = thread_index(); i < vocab; i += kThreads) {
    const float p = exp_f32(logits[i] - best.logit - log_total);
    dz[i] = from_float<T>(weight * (i == target ? p - 1.0f : p));
  }
  if (thread_index() > 0) return;
  losses[row] = best.logit - target_logit + log_total;
  best_ids[row] = best.id;
}

}  // namespace

template <class T>
void head_loss(Device& device, const float* logits, int rows, int vocab, const int32_t* targets, const float* weights,
               T* dz, float* losses, int32_t* best_ids) {
  launch(device, {.x = rows, .threads = kThreads, .shared = kWarps * (sizeof(Candidate) + sizeof(float))},
         head_loss_kernel<T>, logits, vocab, targets, weights, dz, losses, best_ids);
}

template void head_loss(Device&, const float*, int, int, const int32_t*, const float*, float*, float*, int32_t*);
template void head_loss(Device&, const float*, int, int, const int32_t*, const float*, bf16*, float*, int32_t*);

}  // namespace mt::MT_TARGET
