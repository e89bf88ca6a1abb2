// Attention over the flat tree: how its rows are cut into tiles and splits (attention_plan.cc), and its launchers.
//
// A row is one query: token t of the pack and one head of the group that shares a kv head, row = t * group + head.
// It sees positions 0 .. its own of one virtual sequence: segment, prefix, own branch. Positions are cut into splits of
// kSplit; within a split keys come in blocks cut by absolute position; splits are summed apart and merged in order. So
// the bits of a row depend on its position and on what it sees only: not on the tile, the pack, or which of segment,
// prefix and branch holds a key.
#pragma once
#include <vector>

#include "../../backend.h"
#include "../runtime/runtime.h"
#include "../runtime/target.h"

namespace mt::MT_TARGET {

constexpr int kSplit = 512;
constexpr int kLargestHead = 256;

// Keys of a block, and rows of a tile at most.
constexpr int attention_block(int head_dim) { return head_dim <= 128 ? 64 : 32; }

// Rows [first_row, first_row + rows) against one split of what they see. They belong to the prefix, or to one branch,
// or are whole branches of one tree.
struct AttentionTile {
  Tree tree;
  int32_t first_row;
  int32_t rows;
  int32_t split;  // positions [split * kSplit, split * kSplit + kSplit)
  int32_t slot;   // of the first row's partial sums; -1 where the rows see this split only
};

// Rows whose partial sums lie in slots [slot, slot + splits * rows): a split after another.
struct MergedTile {
  int32_t first_row;
  int32_t rows;
  int32_t slot;
  int32_t splits;
};

// One launch: tiles and merged tiles [begin, end) of the plan's; slots count from 0 in each.
struct AttentionStep {
  int32_t tiles_begin, tiles_end;
  int32_t merged_begin, merged_end;
};

struct AttentionPlan {
  std::vector<AttentionTile> tiles;
  std::vector<MergedTile> merged;
  std::vector<AttentionStep> steps;
  int slots = 0;  // of the largest step
};

// A step has at most `max_slots` slots, or those of one tile.
AttentionPlan plan_attention(const Pack& pack, HeadShape shape, int max_slots);

// Floats that a slot takes, one row of one split: per kv head the sums [head_dim], the maximum and the total. Those of
// a tile lie per kv head together: sums [rows, head_dim], then [rows, 2].
constexpr size_t partial_floats(HeadShape shape) { return size_t(shape.kv_heads) * (shape.head_dim + 2); }

// Device memory; tiles and merged are the plan's, partials has room for plan.slots slots.
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
  HeadShape shape;
};

// out[tokens, heads * d]. bf16 and f16: queries, keys, values and weights are rounded to T for the tensor cores;
// scores, softmax and sums are float32. float: fused multiply-adds.
template <class T>
void attention(Device& device, const AttentionPlan& plan, const AttentionArguments& a, T* out);

}  // namespace mt::MT_TARGET
