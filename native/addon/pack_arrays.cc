// Reads the fields of a pack, in the order in which native/backend/pack.h has them.
#include "pack_arrays.h"

#include "javascript.h"

namespace mt::addon {
namespace {

// Reads trees from [trees, 3]: start, end, prefix length.
std::vector<Tree> read_trees(Napi::Value value) {
  std::vector<Tree> trees;
  for (const auto& [start, end, prefix_len] : read_triples(value, "trees")) {
    trees.push_back({.start = start, .end = end, .prefix_len = prefix_len});
  }
  return trees;
}

}  // namespace

PackArrays::PackArrays(Napi::Object object)
    : ids_(read_int32s(object["ids"], "ids")),
      positions_(read_int32s(object["positions"], "positions")),
      branch_start_(read_int32s(object["branchStart"], "branchStart")),
      trees_(read_trees(object["trees"])),
      rows_(read_int32s(object["rows"], "rows")),
      targets_(read_int32s(object["targets"], "targets")) {}

}  // namespace mt::addon
