// What an op is run at: a model's shape, a pack, and what only some ops have.
#pragma once
#include <vector>

#include "../backend/pack.h"
#include "../base/dtype.h"

namespace mt::check {

struct ModelShape {
  const char* name;  // for messages
  int dim;
  int ffn;
  int heads;
  int kv_heads;
  int head_dim;
  int vocab;
};

// One tree: a segment in the cache, a prefix, and branches of the given lengths.
struct TreeSpec {
  int segment;
  int prefix;
  std::vector<int> branches;
};

// A window that no case fills.
inline constexpr int kWholeWindow = 1 << 24;

struct OpCase {
  ModelShape shape;
  DType dtype;
  std::vector<TreeSpec> trees;
  bool bias = false;
  int top_k = 0;          // for head_score and head_sample
  bool adjusted = false;  // for head_sample: whether logits are adjusted and masked
  int shift = 0;          // by this and twice this many bytes, a multiple of 4, arrays are off their 64-byte alignment
  bool head_norms = false;    // for qkv
  int window = kWholeWindow;  // for attention
  bool adapted = false;       // for products of a layer: whether adapters add to them
  int rank = 8;               // of adapters
};

// The trees as a pack of random ids. Some of its rows are scored twice, some never; all are appended to the cache, the
// last first.
struct CasePack {
  CasePack(const std::vector<TreeSpec>& specs, int vocab);
  Pack pack() const { return {ids, pos, branch_start, trees, rows, cache_rows}; }

  std::vector<int32_t> ids, pos, branch_start, rows, cache_rows;
  std::vector<Tree> trees;
  int cached = 0;  // positions in the cache
};

// One sequence of `rows` tokens.
inline std::vector<TreeSpec> plain(int rows) { return {{0, 0, {rows}}}; }
// One token after `length` positions in the cache.
inline std::vector<TreeSpec> decode(int length) { return {{length, 0, {1}}}; }

}  // namespace mt::check
