// Sampling from logits (base/sampling.h): a block a row. Weights are whole numbers, whose sums are the same in any
// order. Bound by reading the row, which lies in the L2: once for the largest logit, four times each for top-k and
// top-p (a digit of eight bits of the key at a time), once for the sums of the weights and once for the draw. Once more
// where tokens of equal logits lie on both sides of a cut.
#include <cstring>

#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

// Of a block: many, so that as much of the row is on its way as the L2 gives; few where the row is short.
constexpr int kManyThreads = 512;
constexpr int kFewThreads = 64;
constexpr int kShortRow = 2048;

constexpr int kBatch = 8;  // loads of a thread that are on their way together

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;

// A number that orders as the logits do; NaN comes before all of them.
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

// Of the lanes above the own.
MT_DEVICE uint64_t sum_above(uint64_t v) {
  uint64_t sum = v;  // of the own and the 2, 4, ... lanes from it on
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const uint64_t next = of_lane(sum, lane_index() + step);
    if (lane_index() + step < kWarp) sum += next;
  }
  return sum - v;
}

// Shared memory of a block.
template <int kThreads>
struct Shared {
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kCopies = kThreads / 64;  // so that few lanes wait for each other: most keys share a first digit

  uint64_t sums[kWarps];
  uint64_t digits[kDigits];
  uint32_t low[kDigits * kCopies], high[kDigits * kCopies];  // what a digit measures, in parts; 0 between counts

  MT_DEVICE void clear_parts() {
    for (int i = thread_index(); i < kDigits * kCopies; i += kThreads) low[i] = high[i] = 0;
  }

  // 64 bits by atomics of 32: the low half says when it carries.
  MT_DEVICE void add(uint32_t digit, uint64_t amount) {
    const int at = digit * kCopies + lane_index() % kCopies;
    const auto added = static_cast<uint32_t>(amount);
    const bool carries = atomic_add(&low[at], added) > ~added;
    const uint32_t rest = static_cast<uint32_t>(amount >> 32) + carries;
    if (rest > 0) atomic_add(&high[at], rest);
  }

  // Adds the parts up to `digits`, once all threads have added.
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

  // The sum over the block, in every thread.
  MT_DEVICE uint64_t sum(uint64_t mine) {
    mine = warp_sum(mine);
    sync_block();  // all have read what `sums` held
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

// The tokens that are kept: those of larger keys, and of that key those of lower ids than `end`.
struct Kept {
  uint32_t key = 0;
  int end = INT32_MAX;

  MT_DEVICE bool holds(uint32_t other, int id) const { return other > key || (other == key && id < end); }
};

// The kept tokens and what they measure.
struct Selection {
  Kept kept;
  uint64_t sum;
};

// A row of logits; measure(logit, id) below says what a token counts.
template <int kThreads>
struct Row {
  static constexpr int kWarps = kThreads / kWarp;

  const float* logits;
  int vocab;
  Shared<kThreads>& shared;

  // visit(logit, id) for ids first, first + step, ... below `end`.
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
  // The same for all ids of the row, each in one thread.
  template <class Visit>
  MT_DEVICE void for_all(const Visit& visit) const {
    for_each(thread_index(), vocab, kThreads, visit);
  }

  // The lowest id whose measures up to it exceed `rest`: a warp a part, then the part that it lies in. 0 where none do.
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

  // The fewest of `kept`, best first, whose measures reach `enough`, which all of them do. measure(logit): tokens of
  // one key measure the same. The worst key that is kept is found digit by digit, then how many tokens of it.
  template <class Measure>
  MT_DEVICE Selection select(Kept kept, uint64_t enough, const Measure& measure) const {
    uint32_t key = 0, known = 0;  // the digits that are found, and their bits
    uint64_t above = 0, at = 0;   // what the tokens of larger keys measure, and those of the key
    for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
      for_all([&](float logit, int id) {
        const uint32_t other = key_of(logit);
        if ((other & known) == key && kept.holds(other, id)) shared.add(other >> shift & (kDigits - 1), measure(logit));
      });
      shared.collect();
      constexpr int kOwn = kDigits / kWarp;  // digits of a lane
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
  auto& shared = *reinterpret_cast<Shared<kThreads>*>(shared_memory());
  const Row<kThreads> row = {a.logits + static_cast<int64_t>(r) * a.vocab, a.vocab, shared};
  shared.clear_parts();
  float largest = -INFINITY;
  row.for_all([&](float logit, int) { largest = logit > largest ? logit : largest; });
  largest = shared.max(largest);
  const auto weight = [&](float logit) { return weight_of(logit, largest, a.sampling.temperature); };

  Kept kept;
  if (a.sampling.top_k > 0 && a.sampling.top_k < a.vocab)
    kept = row.select(kept, a.sampling.top_k, [](float) { return uint64_t{1}; }).kept;
  uint64_t total = 0, left = 0;  // of all at temperature 1, of the kept
  row.for_all([&](float logit, int id) {
    total += weight_of(logit, largest, 1.0f);
    if (kept.holds(key_of(logit), id)) left += weight(logit);
  });
  total = shared.sum(total);
  left = shared.sum(left);
  if (total == 0) {
    if (thread_index() == 0) {
      a.ids[r] = 0;
      a.log_probs[r] = NAN;
    }
    return;
  }
  if (a.sampling.top_p < 1.0f) {
    const double enough = ceil(double{a.sampling.top_p} * static_cast<double>(left));
    const Selection nucleus = row.select(kept, static_cast<uint64_t>(enough), weight);
    kept = nucleus.kept;
    left = nucleus.sum;
  }
  const int id = row.find(multiply_high(a.random[r], left), [&](float logit, int at) {
    return kept.holds(key_of(logit), at) ? weight(logit) : uint64_t{0};
  });
  if (thread_index() > 0) return;
  a.ids[r] = id;
  a.log_probs[r] = row.logits[id] - largest - log_f32(static_cast<float>(total) * 0x1p-40f);
}

}  // namespace

void head_sample(Device& device, const float* logits, int rows, int vocab, const Sampling& sampling,
                 const uint64_t* random, int32_t* ids, float* log_probs) {
  const SampleArguments arguments = {logits, vocab, sampling, random, ids, log_probs};
  const auto launch_with = [&](int threads, size_t shared, void (*kernel)(SampleArguments)) {
    launch(device, {.x = rows, .threads = threads, .shared = shared}, kernel, arguments);
  };
  if (vocab <= kShortRow) return launch_with(kFewThreads, sizeof(Shared<kFewThreads>), sample_kernel<kFewThreads>);
  launch_with(kManyThreads, sizeof(Shared<kManyThreads>), sample_kernel<kManyThreads>);
}

}  // namespace mt::MT_TARGET
