// Sampling from logits (base/sampling.h): a block a row. Weights are whole numbers, whose sums are the same in any
// order. Bound by reading the row, which lies in the L2, up to 32 times for top-k and as often for top-p: a bit of the
// key each.
#include <cstring>

#include "device.cuh"
#include "launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

// Of a block: many, so that as much of the row is on its way as the L2 gives; few where the row is short.
constexpr int kManyThreads = 512;
constexpr int kFewThreads = 64;
constexpr int kShortRow = 2048;

// A number that orders as the logits do; NaN comes before all of them.
MT_DEVICE uint32_t key_of(float logit) {
  if (!(logit == logit)) return 0;
  const float positive_zero = logit + 0.0f;
  uint32_t bits;
  memcpy(&bits, &positive_zero, sizeof(bits));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

MT_DEVICE uint64_t weight_of(float logit, float largest, float temperature) {
  if (logit == largest) return uint64_t{1} << 40;
  const float weight = exp_f32((logit - largest) / temperature) * 0x1p40f;
  return weight >= 1.0f ? static_cast<uint64_t>(weight) : 0;
}

MT_DEVICE uint64_t multiply_high(uint64_t a, uint64_t b) {
  const uint64_t a1 = a >> 32, a0 = a & 0xffffffffu, b1 = b >> 32, b0 = b & 0xffffffffu;
  const uint64_t middle = (a0 * b0 >> 32) + (a1 * b0 & 0xffffffffu) + a0 * b1;
  return a1 * b1 + (a1 * b0 >> 32) + (middle >> 32);
}

MT_DEVICE uint64_t warp_sum(uint64_t v) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const uint32_t low = shuffle_xor(static_cast<uint32_t>(v), mask);
    const uint32_t high = shuffle_xor(static_cast<uint32_t>(v >> 32), mask);
    v += low | static_cast<uint64_t>(high) << 32;
  }
  return v;
}

// The sum over the block, in every thread. `sums` is one number a warp of shared memory.
template <int kWarps>
MT_DEVICE uint64_t block_sum(uint64_t mine, uint64_t* sums) {
  mine = warp_sum(mine);
  sync_block();  // all have read what `sums` held
  if (lane_index() == 0) sums[warp_index()] = mine;
  sync_block();
  return warp_sum(lane_index() < kWarps ? sums[lane_index()] : 0);
}

template <int kWarps>
MT_DEVICE float block_max(float mine, uint64_t* sums) {
  auto* largest = reinterpret_cast<float*>(sums);
  mine = warp_max(mine);
  if (lane_index() == 0) largest[warp_index()] = mine;
  sync_block();
  return warp_max(lane_index() < kWarps ? largest[lane_index()] : -INFINITY);
}

// The tokens that are kept: those of larger keys, and of that key those of lower ids than `end`.
struct Kept {
  uint32_t key = 0;
  int end = INT32_MAX;

  MT_DEVICE bool holds(uint32_t other, int id) const { return other > key || (other == key && id < end); }
};

// A row of logits; measure(key, logit, id) below says what a token counts.
template <int kThreads>
struct Row {
  static constexpr int kWarps = kThreads / kWarp;

  const float* logits;
  int vocab;
  uint64_t* sums;  // shared

  // Over ids [begin, end), in every thread of those that come with their own `first` and `step`.
  template <class Measure>
  MT_DEVICE uint64_t own_sum(int first, int end, int step, const Measure& measure) const {
    uint64_t sum = 0;
#pragma unroll 8
    for (int id = first; id < end; id += step) sum += measure(key_of(logits[id]), logits[id], id);
    return sum;
  }

  template <class Measure>
  MT_DEVICE uint64_t sum(const Measure& measure) const {
    return block_sum<kWarps>(own_sum(thread_index(), vocab, kThreads, measure), sums);
  }

  // The lowest id whose measures up to it exceed `rest`: a warp a part, then the part that it lies in. 0 where none do.
  template <class Measure>
  MT_DEVICE int find(uint64_t rest, const Measure& measure) const {
    int begin = 0, count = vocab;
    while (count > 1) {
      const int part = (count + kWarps - 1) / kWarps;
      const int first = begin + warp_index() * part;
      const int end = first + part < begin + count ? first + part : begin + count;
      const uint64_t own = warp_sum(own_sum(first + lane_index(), end, kWarp, measure));
      sync_block();
      if (lane_index() == 0) sums[warp_index()] = own;
      sync_block();
      int w = 0;
      while (w < kWarps - 1 && rest >= sums[w]) rest -= sums[w++];
      begin = begin + w * part;
      count = count - w * part < part ? count - w * part : part;
    }
    return begin < vocab && count > 0 ? begin : 0;
  }

  // The fewest of `kept`, best first, whose measures reach `enough`, which all of them do: a search for the largest key
  // that suffices, then for the ids at that key.
  template <class Measure>
  MT_DEVICE Kept select(Kept kept, uint64_t enough, uint32_t largest, const Measure& measure) const {
    uint32_t low = kept.key, high = largest + 1;  // keys from low on suffice, those from high on do not
    uint64_t above = 0;                           // measure of those from high on
    while (high - low > 1) {
      const uint32_t middle = low + (high - low) / 2;
      const uint64_t reached = sum(
          [&](uint32_t key, float logit, int id) { return key >= middle && kept.holds(key, id) ? measure(logit) : 0; });
      if (reached == enough) return {middle, INT32_MAX};  // more than kept.key
      if (reached > enough) {
        low = middle;
      } else {
        high = middle;
        above = reached;
      }
    }
    const int last = find(enough - above - 1, [&](uint32_t key, float logit, int id) {
      return key == low && kept.holds(key, id) ? measure(logit) : 0;
    });
    return {low, last + 1};
  }
};

struct SampleArguments {
  const float* logits;
  int vocab;
  Sampling sampling;
  const uint64_t* random;
  int32_t* ids;
  float* log_probs;
};

template <int kThreads>
MT_KERNEL(kThreads, 1)
sample_kernel(SampleArguments a) {
  const int r = block_x();
  const Row<kThreads> row = {a.logits + static_cast<int64_t>(r) * a.vocab, a.vocab,
                             reinterpret_cast<uint64_t*>(shared_memory())};
  float mine = -INFINITY;
  for (int id = thread_index(); id < a.vocab; id += kThreads) mine = row.logits[id] > mine ? row.logits[id] : mine;
  const float largest = block_max<kThreads / kWarp>(mine, row.sums), temperature = a.sampling.temperature;
  const uint32_t largest_key = key_of(largest);

  const uint64_t total = row.sum([&](uint32_t, float logit, int) { return weight_of(logit, largest, 1.0f); });
  if (total == 0) {
    if (thread_index() == 0) {
      a.ids[r] = 0;
      a.log_probs[r] = NAN;
    }
    return;
  }
  const auto weight = [&](float logit) { return weight_of(logit, largest, temperature); };
  Kept kept;
  const auto kept_weight = [&](uint32_t key, float logit, int id) {
    return kept.holds(key, id) ? weight(logit) : uint64_t{0};
  };
  if (a.sampling.top_k > 0 && a.sampling.top_k < a.vocab)
    kept = row.select(kept, a.sampling.top_k, largest_key, [](float) { return uint64_t{1}; });
  uint64_t left = row.sum(kept_weight);
  if (a.sampling.top_p < 1.0f) {
    const double enough = ceil(double{a.sampling.top_p} * static_cast<double>(left));
    kept = row.select(kept, static_cast<uint64_t>(enough), largest_key, weight);
    left = row.sum(kept_weight);
  }
  const int id = row.find(multiply_high(a.random[r], left), kept_weight);
  if (thread_index() > 0) return;
  a.ids[r] = id;
  a.log_probs[r] = row.logits[id] - largest - log_f32(static_cast<float>(total) * 0x1p-40f);
}

}  // namespace

void head_sample(Device& device, const float* logits, int rows, int vocab, const Sampling& sampling,
                 const uint64_t* random, int32_t* ids, float* log_probs) {
  const SampleArguments arguments = {logits, vocab, sampling, random, ids, log_probs};
  const auto launch_with = [&](int threads, void (*kernel)(SampleArguments)) {
    launch(device, {.x = rows, .threads = threads, .shared = threads / kWarp * sizeof(uint64_t)}, kernel, arguments);
  };
  if (vocab <= kShortRow) return launch_with(kFewThreads, sample_kernel<kFewThreads>);
  launch_with(kManyThreads, sample_kernel<kManyThreads>);
}

}  // namespace mt::MT_TARGET
