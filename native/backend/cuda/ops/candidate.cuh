// A logit and its token, and the best of a block's.
#pragma once
#include "../device/device.cuh"

namespace mt::MT_TARGET {

// A logit and its id. Of two candidates the one with the larger logit is better; with equal logits, the one with the
// lower id.
struct Candidate {
  float logit = -INFINITY;
  int32_t id = INT32_MAX;

  MT_DEVICE bool better_than(const Candidate& other) const {
    return logit > other.logit || (logit == other.logit && id < other.id);
  }
};

// The best candidate of the block, returned in every thread. `warps` is shared memory for one Candidate per warp.
template <int kWarps>
MT_DEVICE Candidate best_of_block(Candidate mine, Candidate* warps) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    Candidate other;
    other.logit = shuffle_xor(mine.logit, mask);
    other.id = shuffle_xor(mine.id, mask);
    if (other.better_than(mine)) mine = other;
  }
  sync_block();  // nobody reads the old contents of `warps` any more
  if (lane_index() == 0) warps[warp_index()] = mine;
  sync_block();
  Candidate best = warps[0];
  for (int i = 1; i < kWarps; i++)
    if (warps[i].better_than(best)) best = warps[i];
  return best;
}

}  // namespace mt::MT_TARGET
