// Attention over the flat tree: how its rows are cut into tiles and splits (attention_plan.cc), and its launchers.
//
// A row is one query: token t of the pack and one of the `group` heads that share a kv head, row = t * group + head.
// It sees `window` positions, its own the last of them, in one virtual sequence: segment, prefix, own branch; fewer
// where the sequence begins later. Positions are cut into splits of kSplit. Within a split keys come in blocks, which
// are cut by absolute position. Splits are summed apart and merged in order. So the bits of a row depend only on its
// position and on the keys it sees: not on the tile, the pack, or on whether segment, prefix or branch holds a key.
#pragma once
#include <vector>

#include "../../backend.h"
#include "../runtime/runtime.h"
#include "../runtime/target.h"

namespace mt::MT_TARGET {

constexpr int kSplit = 512;
constexpr int kLargestHead = 256;

// The number of keys in a block, which is also the maximum of rows in a tile.
constexpr int attention_block(int head_dim) { return head_dim <= 128 ? 64 : 32; }

// Rows [first_row, first_row + rows) and one split of the positions they see. All rows belong to the prefix or all to
// one branch, or they are whole branches of one tree.
struct AttentionTile {
  Tree tree;
  int32_t first_row;
  int32_t rows;
  int32_t split;  // its positions are [split * kSplit, split * kSplit + kSplit)
  int32_t slot;   // where the first row's partial sums go; -1 if the rows see no other split
};

// Rows whose partial sums lie in slots [slot, slot + splits * rows), one split after another.
struct MergedTile {
  int32_t first_row;
  int32_t rows;
  int32_t slot;
  int32_t splits;
};

// One launch: tiles and merged tiles [begin, end) of the plan. Slots count from 0 in each step.
struct AttentionStep {
  int32_t tiles_begin, tiles_end;
  int32_t merged_begin, merged_end;
};

struct AttentionPlan {
  std::vector<AttentionTile> tiles;
  std::vector<MergedTile> merged;
  std::vector<AttentionStep> steps;
  int slots = 0;  // slots of the largest step
};

// Cuts a pack's rows. Splits that no row of a tile sees have no tile. A step has at most `max_slots` slots, unless one
// tile alone needs more.
AttentionPlan plan_attention(const Pack& pack, HeadShape shape, int window, int max_slots);

// Floats of a slot, which holds one row of one split: for each kv head the sums [head_dim], the maximum and the total.
// In memory the rows of a tile lie together for each kv head: sums [rows, head_dim], then maxima and totals [rows, 2].
constexpr size_t partial_floats(HeadShape shape) { return size_t(shape.kv_heads) * (shape.head_dim + 2); }

// Pointers are device memory. `tiles` and `merged` hold what the plan has, `partials` has room for plan.slots slots.
struct AttentionArguments {
  const AttentionTile* tiles;
  const MergedTile* merged;
  const int32_t* branch_start;  // [tokens]
  const float* q;               // [tokens, heads * d]
  const float* k;               // [tokens, kv_heads * d]
  const float* v;
  const float* cache_k;  // [cache rows, kv_heads * d] or null
  const float* cache_v;
  float* partials;  // may be null where plan.slots is 0
  float* log_sums;  // [tokens, heads]: the logarithm of each softmax's denominator; or null
  HeadShape shape;
  int window;  // the plan's
};

// Writes out [tokens, heads * d]. With bf16 and f16, queries, keys, values and weights are rounded to T for the tensor
// cores; scores, softmax and sums are float32. With float, all is float32 and by fused multiply-adds.
template <class T>
void attention(Device& device, const AttentionPlan& plan, const AttentionArguments& a, T* out);

}  // namespace mt::MT_TARGET
