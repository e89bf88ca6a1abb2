// Cuts a pack's queries into tiles and splits, and groups those into steps whose partial sums fit the scratch memory.
#include <algorithm>

#include "attention.h"

namespace mt::MT_TARGET {
namespace {

class Planner {
 public:
  Planner(const Pack& pack, HeadShape shape, int window, int max_slots)
      : pack_(pack),
        group_(shape.heads / shape.kv_heads),
        window_(window),
        tile_rows_(attention_block(shape.head_dim)),
        max_slots_(max_slots) {}

  AttentionPlan run() {
    for (const Tree& tree : pack_.trees) {
      const int branches = tree.start + tree.prefix_len;
      add_run(tree, tree.start, branches, tree.segment_len + tree.prefix_len);
      for (int begin = branches; begin < tree.end;) begin = add_branches(tree, begin);
    }
    if (step_.tiles_begin < tile_count()) end_step();
    return std::move(plan_);
  }

 private:
  int tile_count() const { return static_cast<int>(plan_.tiles.size()); }
  int merged_count() const { return static_cast<int>(plan_.merged.size()); }

  int branch_end(const Tree& tree, int begin) const {
    int end = begin + 1;
    while (end < tree.end && pack_.branch_start[end] == pack_.branch_start[begin]) end++;
    return end;
  }

  // Adds one tile with as many whole branches from `begin` on as fit, or several tiles with one branch that is too long
  // for one. Returns where the branches end.
  int add_branches(const Tree& tree, int begin) {
    const int shared = tree.segment_len + tree.prefix_len;
    int end = branch_end(tree, begin), longest = end - begin;
    while (end < tree.end) {
      const int next = branch_end(tree, end);
      if ((next - begin) * group_ > tile_rows_) break;
      longest = std::max(longest, next - end);
      end = next;
    }
    if ((end - begin) * group_ <= tile_rows_) {
      add_tile(tree, begin * group_, (end - begin) * group_, shared, shared + longest);
    } else {
      add_run(tree, begin, end, shared + end - begin);
    }
    return end;
  }

  // Adds the tokens [begin, end) of one sequence. The last of them sees `keys` positions.
  void add_run(const Tree& tree, int begin, int end, int keys) {
    for (int row = begin * group_; row < end * group_; row += tile_rows_) {
      const int rows = std::min(tile_rows_, end * group_ - row);
      const int first = row / group_, last = (row + rows - 1) / group_;
      add_tile(tree, row, rows, keys - (end - first), keys - (end - 1 - last));
    }
  }

  // Adds rows of which none stands before position `lowest`, and none sees a position from `end` on.
  void add_tile(const Tree& tree, int first_row, int rows, int lowest, int end) {
    const int first = std::max(0, lowest + 1 - window_) / kSplit;
    const int splits = (end + kSplit - 1) / kSplit - first;
    if (splits == 1) {
      plan_.tiles.push_back({tree, first_row, rows, first, -1});
      return;
    }
    if (slots_ > 0 && slots_ + splits * rows > max_slots_) end_step();
    for (int s = 0; s < splits; s++) plan_.tiles.push_back({tree, first_row, rows, first + s, slots_ + s * rows});
    plan_.merged.push_back({first_row, rows, slots_, splits});
    slots_ += splits * rows;
  }

  void end_step() {
    step_.tiles_end = tile_count();
    step_.merged_end = merged_count();
    plan_.steps.push_back(step_);
    plan_.slots = std::max(plan_.slots, slots_);
    step_ = {tile_count(), 0, merged_count(), 0};
    slots_ = 0;
  }

  const Pack& pack_;
  const int group_, window_, tile_rows_, max_slots_;
  AttentionPlan plan_;
  AttentionStep step_ = {};
  int slots_ = 0;  // slots of the current step
};

}  // namespace

AttentionPlan plan_attention(const Pack& pack, HeadShape shape, int window, int max_slots) {
  return Planner(pack, shape, window, max_slots).run();
}

}  // namespace mt::MT_TARGET
