// Sampling from logits (base/sampling.h). A block has one row. Weights are whole numbers, whose sums are the same in
// any order. Bound by reading the row, which lies in the L2: once for the largest logit, four times each for top-k and
// top-p (each time for a digit of eight bits of the key), once for the sums of the weights, once for min-p and once for
// the draw. It is read once more if a cut of top-k or top-p falls among tokens of equal logits, and twice more if some
// logits are changed.
#include <cstring>

#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

// Threads of a block: many, so that the loads in flight use all of the L2's bandwidth, but few for a short row.
constexpr int kManyThreads = 512;
constexpr int kFewThreads = 64;
constexpr int kShortRow = 2048;

constexpr int kBatch = 8;  // loads of a thread that are in flight together

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;

// Maps a logit to an integer of the same order. NaN comes before all logits.
MT_DEVICE uint32_t key_of(float logit) {
  if (!(logit == logit)) return 0;
  const float positive_zero = logit + 0.0f;
  uint32_t bits;
  memcpy(&bits, &positive_zero, sizeof(bits));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

MT_DEVICE float logit_of(uint32_t key) {
  const uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
  float logit;
  memcpy(&logit, &bits, sizeof(logit));
  return logit;
}

MT_DEVICE float adjusted(float logit, const Adjustment& adjustment) {
  return (logit < 0.0f ? logit * adjustment.penalty : logit / adjustment.penalty) + adjustment.addend;
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

MT_DEVICE uint64_t of_lane(uint64_t v, int lane) {
  const uint32_t low = shuffle(static_cast<uint32_t>(v), lane), high = shuffle(static_cast<uint32_t>(v >> 32), lane);
  return low | static_cast<uint64_t>(high) << 32;
}

MT_DEVICE uint64_t warp_sum(uint64_t v) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) v += of_lane(v, lane_index() ^ mask);
  return v;
}

// The sum of v over the higher lanes.
MT_DEVICE uint64_t sum_above(uint64_t v) {
  uint64_t sum = v;  // v summed over the next 1, 2, 4, ... lanes, beginning with the own
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const uint64_t next = of_lane(sum, lane_index() + step);
    if (lane_index() + step < kWarp) sum += next;
  }
  return sum - v;
}

// The shared memory of a block.
template <int kThreads>
struct Shared {
  static constexpr int kWarps = kThreads / kWarp;
  // Most keys have the same first digit. With several counters for each digit, few lanes wait for each other.
  static constexpr int kCopies = kThreads / 64;

  uint64_t sums[kWarps];
  uint64_t digits[kDigits];
  // Partial sums of the digits, as the halves of 64-bit numbers; all are 0 between counts.
  uint32_t low[kDigits * kCopies], high[kDigits * kCopies];

  MT_DEVICE void clear_parts() {
    for (int i = thread_index(); i < kDigits * kCopies; i += kThreads) low[i] = high[i] = 0;
  }

  // A 64-bit sum by 32-bit atomics: the result of the first tells whether the low half carries into the high one.
  MT_DEVICE void add(uint32_t digit, uint64_t amount) {
    const int at = digit * kCopies + lane_index() % kCopies;
    const auto added = static_cast<uint32_t>(amount);
    const bool carries = atomic_add(&low[at], added) > ~added;
    const uint32_t rest = static_cast<uint32_t>(amount >> 32) + carries;
    if (rest > 0) atomic_add(&high[at], rest);
  }

  // Adds the partial sums up to `digits` once all threads have called add(), and clears them.
  MT_DEVICE void collect() {
    sync_block();
    for (int digit = thread_index(); digit < kDigits; digit += kThreads) {
      uint64_t sum = 0;
      for (int i = digit * kCopies; i < (digit + 1) * kCopies; i++) {
        sum += low[i] + (static_cast<uint64_t>(high[i]) << 32);
        low[i] = high[i] = 0;
      }
      digits[digit] = sum;
    }
    sync_block();
  }

  // The sum over the block, returned in every thread.
  MT_DEVICE uint64_t sum(uint64_t mine) {
    mine = warp_sum(mine);
    sync_block();  // nobody reads the old contents of `sums` any more
    if (lane_index() == 0) sums[warp_index()] = mine;
    sync_block();
    return warp_sum(lane_index() < kWarps ? sums[lane_index()] : 0);
  }

  MT_DEVICE float max(float mine) {
    auto* largest = reinterpret_cast<float*>(sums);
    mine = warp_max(mine);
    if (lane_index() == 0) largest[warp_index()] = mine;
    sync_block();
    return warp_max(lane_index() < kWarps ? largest[lane_index()] : -INFINITY);
  }
};

// The tokens that are kept: those whose key is larger than `key`, and those of this key whose id is below `end`.
struct Kept {
  uint32_t key = 0;
  int end = INT32_MAX;

  MT_DEVICE bool holds(uint32_t other, int id) const { return other > key || (other == key && id < end); }
};

// The kept tokens, and the sum of their measures.
struct Selection {
  Kept kept;
  uint64_t sum;
};

// A row of logits. measure(logit, id) below gives the measure of a token, which is 1 for top-k and its weight for
// top-p.
template <int kThreads>
struct Row {
  static constexpr int kWarps = kThreads / kWarp;

  const float* logits;
  int vocab;
  Shared<kThreads>& shared;

  // Calls visit(logit, id) for the ids first, first + step, ... below `end`.
  template <class Visit>
  MT_DEVICE void for_each(int first, int end, int step, const Visit& visit) const {
    for (; first < end; first += kBatch * step) {
      float batch[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; i++) batch[i] = first + i * step < end ? logits[first + i * step] : NAN;
#pragma unroll
      for (int i = 0; i < kBatch; i++)
        if (first + i * step < end) visit(batch[i], first + i * step);
    }
  }
  // Calls visit(logit, id) for all ids of the row, each in one thread.
  template <class Visit>
  MT_DEVICE void for_all(const Visit& visit) const {
    for_each(thread_index(), vocab, kThreads, visit);
  }

  // The lowest id for which the sum of measures up to and including it exceeds `rest`, or 0 if there is none. Each warp
  // sums a part of the row; the search goes on in the part in which the id lies.
  template <class Measure>
  MT_DEVICE int find(uint64_t rest, const Measure& measure) const {
    int begin = 0, count = vocab;
    while (count > 1) {
      const int part = (count + kWarps - 1) / kWarps;
      const int first = begin + warp_index() * part;
      const int end = first + part < begin + count ? first + part : begin + count;
      uint64_t own = 0;
      for_each(first + lane_index(), end, kWarp, [&](float logit, int id) { own += measure(logit, id); });
      own = warp_sum(own);
      sync_block();
      if (lane_index() == 0) shared.sums[warp_index()] = own;
      sync_block();
      int w = 0;
      while (w < kWarps - 1 && rest >= shared.sums[w]) rest -= shared.sums[w++];
      begin = begin + w * part;
      count = count - w * part < part ? count - w * part : part;
    }
    return begin < vocab && count > 0 ? begin : 0;
  }

  // Selects as few of the kept tokens as possible, best first, so that the sum of their measures reaches `enough`. All
  // of them together must reach it. Here measure(logit) takes no id: tokens of one key have the same measure. The worst
  // key to keep is found digit by digit, then how many of its tokens to keep.
  template <class Measure>
  MT_DEVICE Selection select(Kept kept, uint64_t enough, const Measure& measure) const {
    uint32_t key = 0, known = 0;  // the digits found so far, and a mask of their bits
    uint64_t above = 0, at = 0;   // the measures of tokens of larger keys, and of the tokens of this key
    for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
      for_all([&](float logit, int id) {
        const uint32_t other = key_of(logit);
        if ((other & known) == key && kept.holds(other, id)) shared.add(other >> shift & (kDigits - 1), measure(logit));
      });
      shared.collect();
      constexpr int kOwn = kDigits / kWarp;  // digits that a lane looks at
      const uint64_t* own = shared.digits + lane_index() * kOwn;
      uint64_t sum = 0;
      for (int i = 0; i < kOwn; i++) sum += own[i];
      uint64_t larger = above + sum_above(sum);
      const int lane = lowest_lane(larger + sum >= enough && larger < enough);
      int digit = kOwn - 1;
      while (digit > 0 && larger + own[digit] < enough) larger += own[digit--];
      above = of_lane(larger, lane);
      at = of_lane(own[digit], lane);
      key |= static_cast<uint32_t>(shuffle(lane_index() * kOwn + digit, lane)) << shift;
      known |= static_cast<uint32_t>(kDigits - 1) << shift;
    }
    const uint64_t each = measure(logit_of(key)), count = (enough - above + each - 1) / each;
    const uint64_t sum = above + count * each;
    if (count * each == at) return {{key, key == kept.key ? kept.end : INT32_MAX}, sum};
    const int last =
        find(count - 1, [&](float logit, int id) { return uint64_t{key_of(logit) == key && kept.holds(key, id)}; });
    return {{key, last + 1}, sum};
  }
};

struct SampleArguments {
  float* logits;
  int vocab;
  const Draw* draws;
  const Adjustment* adjustments;
  float* before_adjustment;
  const uint32_t* masks;
  int64_t words_of_mask;
  int32_t* ids;
  float* log_probs;
};

// The logit of a token of row r as it was before its adjustment, if it has one.
MT_DEVICE float own_logit(const SampleArguments& a, int r, int id) {
  int begin = a.draws[r].adjustments_begin, end = a.draws[r].adjustments_end;
  while (begin < end) {
    const int middle = begin + (end - begin) / 2;
    if (a.adjustments[middle].id == id) return a.before_adjustment[middle];
    if (a.adjustments[middle].id < id)
      begin = middle + 1;
    else
      end = middle;
  }
  return a.logits[static_cast<int64_t>(r) * a.vocab + id];
}

template <int kThreads>
MT_KERNEL(kThreads, 1)
sample_kernel(SampleArguments a) {
  const int r = block_x();
  const Sampling sampling = a.draws[r].sampling;
  auto& shared = *reinterpret_cast<Shared<kThreads>*>(shared_memory());
  float* logits = a.logits + static_cast<int64_t>(r) * a.vocab;
  const Row<kThreads> row = {logits, a.vocab, shared};
  shared.clear_parts();
  const auto max_logit = [&] {
    float largest = -INFINITY;
    row.for_all([&](float logit, int) { largest = logit > largest ? logit : largest; });
    return shared.max(largest);
  };
  const float own_largest = max_logit();
  float largest = own_largest;
  // The weights of all tokens at temperature 1, without changes.
  uint64_t total = 0;
  const int begin = a.draws[r].adjustments_begin, end = a.draws[r].adjustments_end, mask = a.draws[r].mask;
  const bool is_changed = begin < end || mask >= 0;
  if (is_changed) {
    row.for_all([&](float logit, int) { total += weight_of(logit, own_largest, 1.0f); });
    sync_block();
    for (int i = begin + thread_index(); i < end; i += kThreads) {
      const int id = a.adjustments[i].id;
      a.before_adjustment[i] = logits[id];
      logits[id] = adjusted(logits[id], a.adjustments[i]);
    }
    if (mask >= 0) {
      sync_block();
      const uint32_t* words = a.masks + mask * a.words_of_mask;
      for (int id = thread_index(); id < a.vocab; id += kThreads)
        if ((words[id / 32] >> id % 32 & 1) == 0) logits[id] = NAN;
    }
    sync_block();
    largest = max_logit();
  }
  const auto weight = [&](float logit) { return weight_of(logit, largest, sampling.temperature); };

  Kept kept;
  if (sampling.top_k > 0 && sampling.top_k < a.vocab)
    kept = row.select(kept, sampling.top_k, [](float) { return uint64_t{1}; }).kept;
  uint64_t left = 0;  // the weights of the kept tokens
  row.for_all([&](float logit, int id) {
    if (!is_changed) total += weight_of(logit, own_largest, 1.0f);
    if (kept.holds(key_of(logit), id)) left += weight(logit);
  });
  total = shared.sum(total);
  left = shared.sum(left);
  if (total == 0 || left == 0) {
    if (thread_index() == 0) {
      a.ids[r] = 0;
      a.log_probs[r] = NAN;
    }
    return;
  }
  if (sampling.top_p < 1.0f) {
    const double enough = ceil(double{sampling.top_p} * static_cast<double>(left));
    const Selection nucleus = row.select(kept, static_cast<uint64_t>(enough), weight);
    kept = nucleus.kept;
    left = nucleus.sum;
  }
  // The weight of a token that may come.
  const auto least = static_cast<uint64_t>(ceil(double{sampling.min_p} * 0x1p40));
  const auto share = [&](float logit, int id) {
    const uint64_t own = kept.holds(key_of(logit), id) ? weight(logit) : 0;
    return own >= least ? own : 0;
  };
  if (least > 0) {
    left = 0;
    row.for_all([&](float logit, int id) { left += share(logit, id); });
    left = shared.sum(left);
  }
  const int id = row.find(multiply_high(a.draws[r].random, left), share);
  if (thread_index() > 0) return;
  a.ids[r] = id;
  a.log_probs[r] = own_logit(a, r, id) - own_largest - log_f32(static_cast<float>(total) * 0x1p-40f);
}

}  // namespace

void head_sample(Device& device, float* logits, int rows, int vocab, const Draw* draws, const Adjustment* adjustments,
                 float* before_adjustment, const uint32_t* masks, int32_t* ids, float* log_probs) {
  const auto words_of_mask = static_cast<int64_t>(mask_words(vocab));
  const SampleArguments arguments = {logits, vocab,         draws, adjustments, before_adjustment,
                                     masks,  words_of_mask, ids,   log_probs};
  const auto launch_with = [&](int threads, size_t shared, void (*kernel)(SampleArguments)) {
    launch(device, {.x = rows, .threads = threads, .shared = shared}, kernel, arguments);
  };
  if (vocab <= kShortRow) return launch_with(kFewThreads, sizeof(Shared<kFewThreads>), sample_kernel<kFewThreads>);
  launch_with(kManyThreads, sizeof(Shared<kManyThreads>), sample_kernel<kManyThreads>);
}

}  // namespace mt::MT_TARGET
