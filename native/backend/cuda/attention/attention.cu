// Attention over the flat tree on the tensor cores. A block has one tile, which is of one split, at one kv head; a warp
// has 16 rows. Softmax is online as in FlashAttention-2 (Dao 2023): scores and weights stay in registers. Bound by
// memory if few rows see long segments, else by the tensor cores. Shared memory: 2 x 2 blocks of keys and values, 70 KB
// at head_dim 128.
//
// If all rows belong to one sequence, they go through its keys block by block, and one block may come while another is
// still used. If a tile holds several branches, the blocks before the branches are the same for all rows. The rest of
// the prefix and the branches' own keys, which are few, are then copied at once, and every warp goes through the
// branches of its rows by itself. A key has the same place in its block whether prefix, branch or cache holds it, and a
// key that a row does not see has weight 0, which leaves a sum as it was. Blocks that no row of the tile sees are left
// out.
#include <type_traits>

#include "../runtime/launch.cuh"
#include "attention.cuh"

namespace mt::MT_TARGET {
namespace {

template <class T_, int kDim_>
struct Config {
  using T = T_;
  static constexpr int kDim = kDim_;  // head_dim rounded up
  static constexpr int kBlock = attention_block(kDim);
  static constexpr int kThreads = kBlock / 16 * kWarp;
  static constexpr int kKeys = 2 * kBlock;                       // rows of keys in shared memory, and rows of values
  static constexpr int kStride = (kDim + 8) * sizeof(uint16_t);  // bytes of such a row; it avoids bank conflicts
  // Larger heads leave no registers for the queries.
  static constexpr bool kQueriesInRegisters = kDim <= 128;
  static constexpr size_t kShared = (2 * kKeys + (kQueriesInRegisters ? 0 : kBlock)) * kStride;
  static constexpr int kBlocks = 2;
};

struct TileArguments {
  AttentionArguments a;
  int first_tile;
  float scale;
  bool vectors;  // whether heads take a multiple of 32 bytes and are aligned to 16
};

struct Eight {
  Vec16<float> low = {}, high = {};
};

// Loads eight floats; those past `count` are zeros. With kVectors the address is a multiple of 16 and count of 8.
template <bool kVectors>
MT_DEVICE Eight load_eight(const float* from, int count) {
  Eight x;
  if constexpr (kVectors) {
    if (count > 0) {
      x.low = load16_constant(from);
      x.high = load16_constant(from + 4);
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (i < count) x.low.v[i] = from[i];
      if (i + 4 < count) x.high.v[i] = from[i + 4];
    }
  }
  return x;
}

template <class T>
MT_DEVICE Vec16<uint32_t> rounded(const Eight& x) {
  return {pack2<T>(x.low.v[0], x.low.v[1]), pack2<T>(x.low.v[2], x.low.v[3]), pack2<T>(x.high.v[0], x.high.v[1]),
          pack2<T>(x.high.v[2], x.high.v[3])};
}

// The number nearest to x whose size is at most kLargest; any such number for NaN. A tensor core aligns a product with
// 0 as if the 0 were 2^-126 (MMA-Sim, arXiv 2511.10909): with factors of at most 2^96, sums above 2^-32 keep their
// bits.
template <class T>
MT_DEVICE float bounded(float x) {
  constexpr float kLargest = std::is_same_v<T, bf16> ? 0x1p96f : 65504.0f;
  const float above = x > -kLargest ? x : -kLargest;
  return above < kLargest ? above : kLargest;
}

// Values are bounded because an infinity or NaN would give NaN even in rows that do not see it, as 0 * infinity is NaN.
// Rows that see a NaN still get it: a token whose value is NaN has a key that is NaN too.
template <class T>
MT_DEVICE Vec16<uint32_t> rounded_values(Eight x) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x.low.v[i] = bounded<T>(x.low.v[i]);
    x.high.v[i] = bounded<T>(x.high.v[i]);
  }
  return rounded<T>(x);
}

// Where the keys of a block lie in shared memory: key i in row base + i, or `shift` rows further if i >= cut.
struct KeyRows {
  int base, cut, shift;
};

template <class Config>
class TileJob {
  using T = typename Config::T;
  static constexpr int kBlock = Config::kBlock, kKeys = Config::kKeys, kStride = Config::kStride;
  static constexpr int kChunks = Config::kDim / 8, kSteps = Config::kDim / 16;

 public:
  MT_DEVICE TileJob(const TileArguments& arguments)
      : a_(arguments.a),
        scale_(arguments.scale),
        vectors_(arguments.vectors),
        tile_(a_.tiles[arguments.first_tile + block_x()]),
        kv_head_(block_y()),
        group_(a_.shape.heads / a_.shape.kv_heads),
        keys_(shared_memory()),
        values_(keys_ + kKeys * kStride),
        queries_(Config::kQueriesInRegisters ? keys_ : values_ + kKeys * kStride) {}

  MT_DEVICE void run(T* out) {
    load_queries();
    const int first = token_of(0), last = token_of(tile_.rows - 1);
    const Sequence s = sequence_of(a_, tile_, kv_head_, a_.branch_start[first]);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int token = token_of(row(half) < tile_.rows ? row(half) : 0);
      position_[half] = s.position(token, a_.branch_start[token]);
    }
    const int begin = tile_.split * kSplit, split_end = begin + kSplit;
    const bool branches = a_.branch_start[last] != s.branch_start;
    // The position up to which all rows go together. With branches it is the start of the block in which the rows'
    // sequences part, with one sequence its end.
    const int parting = branches ? s.shared() / kBlock * kBlock : s.position(last) + 1;
    const int end = parting < split_end ? parting : split_end;
    // The first position that a row sees: where there are branches, the tile has their first tokens.
    const int seen = s.first_seen(branches ? s.shared() : s.position(first)) / kBlock * kBlock;
    for (int p = seen > begin ? seen : begin; p < end; p += kBlock) attend_block(s, p, end);
    if (branches && parting < split_end) attend_branches(s, parting, first, last);
    store(out);
  }

 private:
  MT_DEVICE int token_of(int row) const { return (tile_.first_row + row) / group_; }
  // The first (half 0) or the second of the two rows that the lane holds of the warp's 16.
  MT_DEVICE int row(int half) const { return warp_index() * 16 + lane_index() / 4 + 8 * half; }

  // Fills rows [base, base + filled) of keys and values: row base + i with source(i), or with zeros if i >= count.
  template <class Source>
  MT_DEVICE void load_keys(int base, int count, int filled, const Source& source) {
    if (vectors_)
      copy_keys<true>(base, count, filled, source);
    else
      copy_keys<false>(base, count, filled, source);
  }

  template <bool kVectors, class Source>
  MT_DEVICE void copy_keys(int base, int count, int filled, const Source& source) {
    const int d = a_.shape.head_dim;
#pragma unroll kVectors ? 4 : 1
    for (int i = thread_index(); i < filled * kChunks; i += Config::kThreads) {
      const int r = i / kChunks, c = i % kChunks * 8;
      const int left = r < count ? d - c : 0;
      const Sequence::Rows from = source(r < count ? r : 0);
      const auto k = rounded<T>(load_eight<kVectors>(from.k + c, left));
      const auto v = rounded_values<T>(load_eight<kVectors>(from.v + c, left));
      const int to = (base + r) * kStride + c * static_cast<int>(sizeof(T));
      store16(reinterpret_cast<uint32_t*>(keys_ + to), k);
      store16(reinterpret_cast<uint32_t*>(values_ + to), v);
    }
  }

  MT_DEVICE void load_queries() {
    const int d = a_.shape.head_dim;
    for (int i = thread_index(); i < kBlock * kChunks; i += Config::kThreads) {
      const int r = i / kChunks, c = i % kChunks * 8;
      const int left = r < tile_.rows ? d - c : 0;
      const float* from = a_.q + query_offset(a_.shape, tile_.first_row + (r < tile_.rows ? r : 0), kv_head_) + c;
      store16(reinterpret_cast<uint32_t*>(queries_ + r * kStride + c * static_cast<int>(sizeof(T))),
              rounded<T>(vectors_ ? load_eight<true>(from, left) : load_eight<false>(from, left)));
    }
    sync_block();
    if constexpr (Config::kQueriesInRegisters) {
#pragma unroll
      for (int i = 0; i < kSteps; i++) load_query(q_[i], i);
      sync_block();  // keys will overwrite the queries
    }
  }

  MT_DEVICE void load_query(uint32_t (&fragment)[4], int step) const {
    const int r = warp_index() * 16 + lane_index() % 16;
    ldmatrix_x4(fragment, queries_ + r * kStride + step * 32 + lane_index() / 16 * 16);
  }

  // Adds positions [p, min(p + kBlock, end)), which lie in the part of the sequence that all rows share.
  MT_DEVICE void attend_block(const Sequence& s, int p, int end) {
    const int base = p / kBlock % 2 * kBlock;
    const int count = p + kBlock < end ? kBlock : end - p;
    load_keys(base, count, (count + 15) / 16 * 16, [&](int i) { return s.at(p + i); });
    sync_block();  // the block has come, and nobody reads the one before any more
    const int first = warp_index() * 16;
    if (first >= tile_.rows) return;
    const int seen[2] = {position_[0] + 1 - p, position_[1] + 1 - p};
    const int last = first + 15 < tile_.rows ? first + 15 : tile_.rows - 1;
    const int limit = s.position(token_of(last)) + 1 - p;
    if (limit > 0) attend({base, kBlock, 0}, seen, limit < count ? limit : count);
  }

  // Adds the positions from `parting` on. Tokens [first, last] are whole branches.
  MT_DEVICE void attend_branches(const Sequence& s, int parting, int first, int last) {
    const int count = s.shared() - parting + last + 1 - first;
    sync_block();  // nobody reads the blocks before any more
    const int filled = count + 15 < kKeys ? count + 15 : kKeys;
    // The branches are loaded one after another, as if they were all one branch.
    load_keys(0, count, filled, [&](int i) { return s.at(parting + i); });
    sync_block();

    const int begin = tile_.split * kSplit;
    const int warp_row = warp_index() * 16, end_row = warp_row + 16 < tile_.rows ? warp_row + 16 : tile_.rows;
    if (warp_row >= tile_.rows) return;
    const int stop = token_of(end_row - 1) + 1;
    for (int token = token_of(warp_row), next; token < stop; token = next) {
      const int branch_start = a_.branch_start[token];
      for (next = token + 1; next < stop && a_.branch_start[next] == branch_start;) next++;
      const int length = s.shared() + next - branch_start;  // positions that the last of these tokens sees
      const int end = length < begin + kSplit ? length : begin + kSplit;
      const int from = parting > begin ? parting : begin;
      const int seen_from = s.first_seen(s.shared() + token - branch_start) / kBlock * kBlock;
      for (int p = seen_from > from ? seen_from : from; p < end; p += kBlock) {
        int seen[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int r = row(half), t = token_of(r);
          const bool mine = r < tile_.rows && t >= token && t < next;
          seen[half] = mine ? position_[half] + 1 - p : 0;
        }
        attend({p - parting, s.shared() - p, branch_start - first}, seen, end - p < kBlock ? end - p : kBlock);
      }
    }
  }

  // Adds one block's keys to the warp's rows. The lane's two rows see the `window` keys before key seen[0] and seen[1],
  // which need not lie in the block, and no row of the warp sees a key from `limit` on.
  MT_DEVICE void attend(const KeyRows& rows, const int (&seen)[2], int limit) {
    float weights[kBlock / 8][4];
    multiply_keys(weights, rows, limit);
    update_softmax(weights, seen);
    add_values(weights, rows, limit);
  }

  MT_DEVICE static int shared_row(const KeyRows& rows, int i) {
    const int r = rows.base + i + (i >= rows.cut ? rows.shift : 0);
    return r < kKeys ? r : kKeys - 1;
  }

  // scores = q k^T. 32 keys at a time are enough independent sums to keep the tensor cores busy.
  MT_DEVICE void multiply_keys(float (&scores)[kBlock / 8][4], const KeyRows& rows, int limit) const {
    const int lane = lane_index();
#pragma unroll
    for (int j = 0; j < kBlock / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) scores[j][e] = 0;
#pragma unroll
    for (int run = 0; run < kBlock; run += 32) {
      if (run >= limit) break;
      const int key = run + lane % 8 + lane / 16 * 8, chunk = lane / 8 % 2 * 16;
      const char* from[2] = {keys_ + shared_row(rows, key) * kStride + chunk,
                             keys_ + shared_row(rows, key + 16) * kStride + chunk};
#pragma unroll
      for (int i = 0; i < kSteps; i++) {
        uint32_t q[4];
        query(q, i);
#pragma unroll
        for (int j = 0; j < 2; j++) {
          uint32_t k[4];
          ldmatrix_x4(k, from[j] + i * 32);
          mma_m16n8k16<T>(scores[run / 8 + 2 * j], q, k[0], k[1]);
          mma_m16n8k16<T>(scores[run / 8 + 2 * j + 1], q, k[2], k[3]);
        }
      }
    }
  }

  MT_DEVICE void query(uint32_t (&q)[4], int step) const {
    if constexpr (Config::kQueriesInRegisters) {
#pragma unroll
      for (int e = 0; e < 4; e++) q[e] = q_[step][e];
    } else {
      load_query(q, step);
    }
  }

  // Turns scores into weights exp(scale (score - largest)), and rescales sums and totals when `largest` grows.
  MT_DEVICE void update_softmax(float (&x)[kBlock / 8][4], const int (&seen)[2]) {
    constexpr float kLog2E = 1.44269504088896f;
    const float scale = scale_ * kLog2E;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      hide(x, half, seen[half]);
      float largest = largest_[half];
#pragma unroll
      for (int j = 0; j < kBlock / 8; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const float score = x[j][2 * half + e];
          largest = score > largest ? score : largest;
        }
#pragma unroll
      for (int mask = 1; mask < 4; mask *= 2) {
        const float other = shuffle_xor(largest, mask);
        largest = other > largest ? other : largest;
      }
      const float base = largest == -INFINITY ? 0.0f : largest;  // a row that has seen nothing yet
      const float factor = exp2_fast((largest_[half] - base) * scale);
      float total = 0;
#pragma unroll
      for (int j = 0; j < kBlock / 8; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          float& weight = x[j][2 * half + e];
          weight = exp2_fast((weight - base) * scale);
          total += weight;
        }
      total_[half] = fma_f32(total_[half], factor, total);
      largest_[half] = largest;
#pragma unroll
      for (int c = 0; c < kChunks; c++) {
        sums_[c][2 * half] *= factor;
        sums_[c][2 * half + 1] *= factor;
      }
    }
  }

  // Makes the scores of keys that a row does not see -infinity. Most blocks have none.
  MT_DEVICE void hide(float (&x)[kBlock / 8][4], int half, int seen) const {
    if (seen >= kBlock && seen <= a_.window) return;
#pragma unroll
    for (int j = 0; j < kBlock / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const int key = 8 * j + lane_index() % 4 * 2 + e;
        if (key >= seen || key < seen - a_.window) x[j][2 * half + e] = -INFINITY;
      }
  }

  // sums += weights v. Two neighbouring fragments of scores, which are accumulators, make one operand of weights.
  MT_DEVICE void add_values(const float (&w)[kBlock / 8][4], const KeyRows& rows, int limit) {
    const int lane = lane_index();
#pragma unroll
    for (int j = 0; j < kBlock / 16; j++) {
      if (16 * j >= limit) break;
      const uint32_t weights[4] = {pack2<T>(w[2 * j][0], w[2 * j][1]), pack2<T>(w[2 * j][2], w[2 * j][3]),
                                   pack2<T>(w[2 * j + 1][0], w[2 * j + 1][1]),
                                   pack2<T>(w[2 * j + 1][2], w[2 * j + 1][3])};
      const char* from = values_ + shared_row(rows, 16 * j + lane % 16) * kStride + lane / 16 * 16;
#pragma unroll
      for (int c = 0; c < kChunks; c += 2) {
        uint32_t v[4];
        ldmatrix_x4_trans(v, from + c * 16);
        mma_m16n8k16<T>(sums_[c], weights, v[0], v[1]);
        mma_m16n8k16<T>(sums_[c + 1], weights, v[2], v[3]);
      }
    }
  }

  MT_DEVICE void store(T* out) {
    const int d = a_.shape.head_dim;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float total = total_[half];
#pragma unroll
      for (int mask = 1; mask < 4; mask *= 2) total += shuffle_xor(total, mask);
      const int r = row(half);
      if (r >= tile_.rows) continue;
      const int first = lane_index() % 4 * 2;
      const bool pairs = vectors_;
      if (tile_.slot < 0) {
        T* to = out + query_offset(a_.shape, tile_.first_row + r, kv_head_);
        const float inverse = 1.0f / total;
#pragma unroll
        for (int c = 0; c < kChunks; c++)
          put(to, 8 * c + first, d, normalized(sums_[c][2 * half], inverse),
              normalized(sums_[c][2 * half + 1], inverse), pairs);
        if (first == 0 && a_.log_sums)
          a_.log_sums[query_index(a_.shape, tile_.first_row + r, kv_head_)] = log_sum_of(largest_[half], total, scale_);
      } else {
        const Partial partial = partial_of(a_, tile_.slot, kv_head_, tile_.rows);
#pragma unroll
        for (int c = 0; c < kChunks; c++)
          put(partial.sums + static_cast<int64_t>(r) * d, 8 * c + first, d, sums_[c][2 * half], sums_[c][2 * half + 1],
              pairs);
        if (first == 0) {
          partial.totals[2 * r] = largest_[half];
          partial.totals[2 * r + 1] = total;
        }
      }
    }
  }

  template <class Out>
  MT_DEVICE static void put(Out* to, int c, int d, float first, float second, bool pairs) {
    if (pairs) {
      if (c < d) store_pair(to + c, first, second);
      return;
    }
    if (c < d) to[c] = from_float<Out>(first);
    if (c + 1 < d) to[c + 1] = from_float<Out>(second);
  }

  const AttentionArguments& a_;
  const float scale_;
  const bool vectors_;
  const AttentionTile tile_;
  const int kv_head_, group_;
  int position_[2];      // of the lane's two rows; that of the tile's first row if there are fewer
  char* const keys_;     // [kKeys][kStride]
  char* const values_;   // the same
  char* const queries_;  // [kBlock][kStride]
  uint32_t q_[Config::kQueriesInRegisters ? kSteps : 1][4];
  float sums_[kChunks][4] = {};
  float largest_[2] = {-INFINITY, -INFINITY};  // scores, before scaling
  float total_[2] = {};                        // summed over the lane's columns alone
};

template <class Config>
MT_KERNEL(Config::kThreads, Config::kBlocks)
attend_kernel(TileArguments arguments, typename Config::T* out) {
  TileJob<Config>(arguments).run(out);
}

template <class Config>
void attend(Device& device, const AttentionStep& step, const TileArguments& arguments, typename Config::T* out) {
  launch(device,
         {.x = step.tiles_end - step.tiles_begin,
          .y = arguments.a.shape.kv_heads,
          .threads = Config::kThreads,
          .shared = Config::kShared},
         attend_kernel<Config>, arguments, out);
}

template <class T>
void attend(Device& device, const AttentionStep& step, const AttentionArguments& a, T* out) {
  const int d = a.shape.head_dim;
  TileArguments arguments = {a, step.tiles_begin, 1.0f / std::sqrt(static_cast<float>(d)), d % 8 == 0};
  for (const void* p : {a.q, a.k, a.v, a.cache_k, a.cache_v, static_cast<const float*>(a.partials)})
    arguments.vectors &= is_aligned(p, 16);
  arguments.vectors &= is_aligned(out, 4);
  if (d <= 32) return attend<Config<T, 32>>(device, step, arguments, out);
  if (d <= 64) return attend<Config<T, 64>>(device, step, arguments, out);
  if (d <= 96) return attend<Config<T, 96>>(device, step, arguments, out);
  if (d <= 128) return attend<Config<T, 128>>(device, step, arguments, out);
  attend<Config<T, 256>>(device, step, arguments, out);
}

template <>
void attend(Device& device, const AttentionStep& step, const AttentionArguments& a, float* out) {
  attend_f32(device, step, a, out);
}

}  // namespace

template <class T>
void attention(Device& device, const AttentionPlan& plan, const AttentionArguments& a, T* out) {
  for (const AttentionStep& step : plan.steps) {
    attend<T>(device, step, a, out);
    merge_attention(device, step, a, out);
  }
}

template void attention(Device&, const AttentionPlan&, const AttentionArguments&, float*);
template void attention(Device&, const AttentionPlan&, const AttentionArguments&, bf16*);
template void attention(Device&, const AttentionPlan&, const AttentionArguments&, f16*);

}  // namespace mt::MT_TARGET
