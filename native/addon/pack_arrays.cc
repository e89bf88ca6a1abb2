// Reads the fields of a pack, in the order in which native/backend/pack.h has them.
#include "pack_arrays.h"

#include "javascript.h"

namespace mt::addon {
namespace {

// Reads trees from [trees, 3]: start, end, prefix length; and their segments, if there are any, from [trees, 2]: row of
// the KV cache, number of rows.
std::vector<Tree> read_trees(Napi::Value value, Napi::Value segments) {
  std::vector<Tree> trees;
  for (const auto& [start, end, prefix_len] : read_triples(value, "trees")) {
    trees.push_back({.start = start, .end = end, .prefix_len = prefix_len});
  }
  if (segments.IsUndefined()) return trees;
  const std::vector<int32_t> pairs = read_int32s(segments, "segments");
  if (pairs.size() != 2 * trees.size()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "segments has " + std::to_string(pairs.size()) + " elements, expected " +
                                                 std::to_string(2 * trees.size()));
  }
  for (size_t i = 0; i < trees.size(); i++) {
    trees[i].segment_row = pairs[2 * i];
    trees[i].segment_len = pairs[2 * i + 1];
  }
  return trees;
}

}  // namespace

PackArrays::PackArrays(Napi::Object object)
    : ids_(read_int32s(object["ids"], "ids")),
      positions_(read_int32s(object["positions"], "positions")),
      branch_start_(read_int32s(object["branchStart"], "branchStart")),
      trees_(read_trees(object["trees"], object["segments"])),
      rows_(read_int32s(object["rows"], "rows")),
      targets_(read_int32s(object["targets"], "targets")) {}

}  // namespace mt::addon
