// Packs with scored rows that are sound, and how one of their arrays is changed.
#pragma once
#include "fuzz.h"

namespace mt::fuzz {

struct PackArrays {
  std::vector<int32_t> ids, pos, branch_start, rows, targets;
  std::vector<Tree> trees;

  Pack pack() const { return {ids, pos, branch_start, trees, rows}; }
};

// A few trees of a prefix and branches, by the rules of struct Pack.
inline PackArrays sound_arrays(Input& input, const LlamaConfig& config) {
  PackArrays a;
  for (int trees = input.within(1, 3); trees > 0; trees--) {
    const auto start = static_cast<int32_t>(a.ids.size());
    const int prefix = input.within(0, 5);
    for (int i = 0; i < prefix; i++) {
      a.pos.push_back(i);
      a.branch_start.push_back(start);
      a.ids.push_back(input.within(0, config.vocab_size - 1));
    }
    for (int branches = input.within(prefix == 0, 3); branches > 0; branches--) {
      const auto branch = static_cast<int32_t>(a.ids.size());
      const int length = input.within(1, 4);
      for (int i = 0; i < length; i++) {
        a.pos.push_back(prefix + i);
        a.branch_start.push_back(branch);
        a.ids.push_back(input.within(0, config.vocab_size - 1));
      }
    }
    a.trees.push_back({.start = start, .end = static_cast<int32_t>(a.ids.size()), .prefix_len = prefix});
  }
  for (int rows = input.within(0, 4); rows > 0; rows--) {
    a.rows.push_back(input.within(0, static_cast<int>(a.ids.size()) - 1));
    a.targets.push_back(input.within(0, config.vocab_size - 1));
  }
  return a;
}

inline void change_tree(Tree& tree, Input& input) {
  int32_t* const fields[] = {&tree.start, &tree.end, &tree.prefix_len, &tree.segment_row, &tree.segment_len};
  *fields[input.within(0, 4)] = input.odd_number();
}

// Changes array 0 to 5.
inline void spoil_array(PackArrays& a, int which, Input& input) {
  std::vector<int32_t>* const arrays[] = {&a.ids, &a.pos, &a.branch_start, &a.rows, &a.targets};
  if (which == 5) {
    spoil(a.trees, input, change_tree);
  } else {
    spoil(*arrays[which], input, change_number);
  }
}

}  // namespace mt::fuzz
