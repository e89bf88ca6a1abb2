// The results of the LM head for a row: log-probability and argmax from the row's partials, the k best from its logits.
// A block has one row. Bound by memory: one pass over the partials, and one pass over the logits for every 32 of the k
// best.
#include "../runtime/launch.cuh"
#include "candidate.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// Thread i adds partials i, i + 256, ...; then the sums of the lanes and those of the warps are added. The order
// depends on the size of the vocabulary alone.
MT_KERNEL(kThreads, 4)
finish_kernel(const HeadPartial* partials, const float* target_logits, int per_row, HeadRows out) {
  const int row = block_x();
  partials += static_cast<int64_t>(row) * per_row;
  auto* warps = reinterpret_cast<Candidate*>(shared_memory());
  auto* sums = reinterpret_cast<float*>(warps + kWarps);

  Candidate mine;
  for (int i = thread_index(); i < per_row; i += kThreads) {
    Candidate c;
    c.logit = partials[i].largest;
    c.id = partials[i].argmax;
    if (c.better_than(mine)) mine = c;
  }
  const Candidate best = best_of_block<kWarps>(mine, warps);

  float sum = 0;
  for (int i = thread_index(); i < per_row; i += kThreads)
    sum = fma_f32(partials[i].sum, exp_f32(partials[i].largest - best.logit), sum);
  const float log_sum = best.logit + log_f32(block_sum(sum, kWarps, sums));
  if (thread_index() > 0) return;
  out.log_probs[row] = target_logits[row] - log_sum;
  out.log_sums[row] = log_sum;
  out.best[row] = best.logit;
  out.argmax[row] = best.id;
}

MT_DEVICE Candidate of_lane(const Candidate& c, int lane) { return {shuffle(c.logit, lane), shuffle(c.id, lane)}; }

// The best `count` candidates that a warp has been offered, sorted across its lanes: `mine` of lane 0 is the best one,
// that of lane 1 the second best, and so on. `last` is the worst of the `count`.
struct WarpList {
  int count;
  Candidate mine, last;

  // Every lane offers a candidate of its own. Once the list is full, few are better than the last, so the loop is
  // short.
  MT_DEVICE void offer(Candidate c) {
    for (int from; (from = lowest_lane(c.better_than(last))) >= 0;) {
      const Candidate taken = of_lane(c, from), before = of_lane(mine, lane_index() - 1);
      if (taken.better_than(mine)) mine = lane_index() > 0 && taken.better_than(before) ? before : taken;
      last = of_lane(mine, count - 1);
      if (lane_index() == from) c = {};
    }
  }
};

constexpr int kBatch = 8;  // loads of a thread that are in flight together

// Finds 32 of the k best in each round, among the candidates that are worse than the last of the round before. First
// every warp makes a list of the candidates it reads, then every warp merges all lists into its own.
MT_KERNEL(kThreads, 4)
top_k_kernel(const float* logits, const float* log_sums, int vocab, int k, int32_t* ids, float* log_probs) {
  const int row = block_x();
  logits += static_cast<int64_t>(row) * vocab;
  ids += static_cast<int64_t>(row) * k;
  log_probs += static_cast<int64_t>(row) * k;
  auto* lists = reinterpret_cast<Candidate*>(shared_memory());  // [kWarps, kWarp]
  Candidate taken = {INFINITY, -1};
  for (int first = 0; first < k; first += kWarp) {
    WarpList list = {k - first < kWarp ? k - first : kWarp, {}, {}};
    for (int begin = warp_index() * kWarp; begin < vocab; begin += kThreads * kBatch) {
      float batch[kBatch];
#pragma unroll
      for (int j = 0; j < kBatch; j++) {
        const int id = begin + j * kThreads + lane_index();
        batch[j] = id < vocab ? logits[id] : NAN;
      }
#pragma unroll
      for (int j = 0; j < kBatch; j++) {
        const Candidate c = {batch[j], begin + j * kThreads + lane_index()};
        list.offer(taken.better_than(c) ? c : Candidate{});
      }
    }
    sync_block();  // nobody reads the old contents of `lists` any more
    lists[thread_index()] = list.mine;
    sync_block();
    for (int w = 0; w < kWarps; w++)
      if (w != warp_index()) list.offer(lists[w * kWarp + lane_index()]);
    taken = list.last;
    if (thread_index() >= list.count) continue;
    ids[first + thread_index()] = list.mine.id < vocab ? list.mine.id : 0;
    log_probs[first + thread_index()] = list.mine.logit - log_sums[row];
  }
}

}  // namespace

void head_finish(Device& device, const HeadPartial* partials, const float* target_logits, int rows, int per_row,
                 const HeadRows& out) {
  launch(device, {.x = rows, .threads = kThreads, .shared = kWarps * (sizeof(Candidate) + sizeof(float))},
         finish_kernel, partials, target_logits, per_row, out);
}

void head_top_k(Device& device, const float* logits, const float* log_sums, int rows, int vocab, int k, int32_t* ids,
                float* log_probs) {
  launch(device, {.x = rows, .threads = kThreads, .shared = kThreads * sizeof(Candidate)}, top_k_kernel, logits,
         log_sums, vocab, k, ids, log_probs);
}

}  // namespace mt::MT_TARGET
