// A pack: the tokens that go through the model together, as trees of a shared prefix and branches.
#pragma once
#include <cstdint>
#include <span>

namespace mt {

// One tree of a pack: tokens [start, end), of which the first prefix_len are the prefix and the rest its branches.
struct Tree {
  int32_t start = 0;
  int32_t end = 0;
  int32_t prefix_len = 0;
  // Keys and values read before the pack: `segment_len` rows of the KV cache from row `segment_row` on.
  // They hold positions 0 .. segment_len - 1, and the tree's first token has position segment_len.
  int32_t segment_row = 0;
  int32_t segment_len = 0;
};

// The flat tree, on the host. Row r of a tree sees every row of the tree's segment, and row c of the same tree if
//   c <= r and (c >= branch_start[r] or c < start + prefix_len)
// Prefix rows have branch_start = start. Positions begin again after the prefix in every branch: a position is
// segment_len + offset in the prefix, or segment_len + prefix_len + offset in the branch.
struct Pack {
  std::span<const int32_t> ids;           // [tokens] in 0 .. vocab_size - 1
  std::span<const int32_t> pos;           // [tokens]
  std::span<const int32_t> branch_start;  // [tokens]
  std::span<const Tree> trees;            // contiguous, in order, covering all tokens
  std::span<const int32_t> rows = {};     // the rows that gather_rows() picks, in this order; a row may come twice
  // [tokens], or empty: the row of the KV cache to which append_kv() copies each token's keys and values.
  std::span<const int32_t> cache_rows = {};
};

// A pack on the device, with what the backend derives from it (tiles, say). ForwardOps::place() makes it, after which
// the arrays of the Pack may be changed.
class PlacedPack {
 public:
  virtual ~PlacedPack() = default;
  int tokens = 0;
};

}  // namespace mt
