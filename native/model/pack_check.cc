// One walk over the trees. A message names the array and the index, what is there, and what should be there.
#include "pack_check.h"

#include <string>

#include "../base/error.h"

namespace mt {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); }

std::string at(const char* name, size_t index, int64_t value) {
  return std::string(name) + "[" + std::to_string(index) + "] is " + std::to_string(value);
}

void check_tree(const Pack& pack, size_t index, int32_t start, int32_t cache_rows) {
  const Tree& tree = pack.trees[index];
  const int32_t tokens = static_cast<int32_t>(pack.ids.size());
  const std::string name = "tree " + std::to_string(index);
  if (tree.start != start) {
    fail(name + " starts at " + std::to_string(tree.start) + ", expected " + std::to_string(start));
  }
  if (tree.end <= start || tree.end > tokens) {
    fail(name + " ends at " + std::to_string(tree.end) + ", expected " + std::to_string(start + 1) + " .. " +
         std::to_string(tokens));
  }
  if (tree.prefix_len < 0 || tree.prefix_len > tree.end - start) {
    fail(name + " has a prefix of " + std::to_string(tree.prefix_len) + " tokens, expected 0 .. " +
         std::to_string(tree.end - start));
  }
  if (tree.segment_len == 0) return;
  if (tree.segment_len < 0 || tree.segment_row < 0 || int64_t{tree.segment_row} + tree.segment_len > cache_rows) {
    fail(name + " has a segment of " + std::to_string(tree.segment_len) + " rows from row " +
         std::to_string(tree.segment_row) + " on; the KV cache has " + std::to_string(cache_rows));
  }
}

// Branches follow the prefix without a gap: a row's branch_start is its own index, where a branch begins, or else the
// branch_start of the row before.
void check_rows_of_tree(const Pack& pack, const Tree& tree, int context_length) {
  const int32_t branches = tree.start + tree.prefix_len;
  for (int32_t r = tree.start; r < tree.end; r++) {
    const bool prefix = r < branches;
    const int32_t branch_start = pack.branch_start[r];
    const bool begins = r == branches || (r > branches && branch_start == r);
    const int32_t want = prefix ? tree.start : begins ? r : pack.branch_start[r - 1];
    if (branch_start != want) fail(at("branchStart", r, branch_start) + ", expected " + std::to_string(want));
    const int64_t position = int64_t{tree.segment_len} + (prefix ? r - tree.start : tree.prefix_len + r - branch_start);
    if (position >= context_length) {
      throw Error(ErrorCode::CONTEXT_LENGTH,
                  at("positions", r, position) + "; the model has " + std::to_string(context_length) + " positions");
    }
    if (pack.pos[r] != position) fail(at("positions", r, pack.pos[r]) + ", expected " + std::to_string(position));
  }
}

}  // namespace

void check_ids(std::span<const int32_t> ids, int vocab_size, const char* name) {
  for (size_t i = 0; i < ids.size(); i++) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      throw Error(ErrorCode::TOKEN_OUT_OF_RANGE,
                  at(name, i, ids[i]) + "; the model's ids are 0 .. " + std::to_string(vocab_size - 1));
    }
  }
}

void check_pack_size(size_t tokens) {
  if (tokens > INT32_MAX / 2) fail("a pack of " + std::to_string(tokens) + " tokens");
}

void check_pack(const Pack& pack, const LlamaConfig& config, int32_t cache_rows) {
  if (pack.ids.empty()) fail("a pack without tokens");
  check_pack_size(pack.ids.size());
  if (pack.pos.size() != pack.ids.size() || pack.branch_start.size() != pack.ids.size()) {
    fail("ids, positions and branchStart have " + std::to_string(pack.ids.size()) + ", " +
         std::to_string(pack.pos.size()) + " and " + std::to_string(pack.branch_start.size()) +
         " elements, expected as many of each");
  }
  check_ids(pack.ids, config.vocab_size, "ids");
  int32_t end = 0;
  for (size_t i = 0; i < pack.trees.size(); i++) {
    check_tree(pack, i, end, cache_rows);
    check_rows_of_tree(pack, pack.trees[i], config.context_length);
    end = pack.trees[i].end;
  }
  if (end != static_cast<int32_t>(pack.ids.size())) {
    fail("the trees end at " + std::to_string(end) + ", expected " + std::to_string(pack.ids.size()));
  }
}

void check_offsets(std::span<const int32_t> offsets, size_t sequences, size_t tokens) {
  if (offsets.size() != sequences + 1) {
    fail("offsets has " + std::to_string(offsets.size()) + " elements, expected " + std::to_string(sequences + 1));
  }
  if (offsets[0] != 0) fail(at("offsets", 0, offsets[0]) + ", expected 0");
  for (size_t i = 1; i <= sequences; i++) {
    if (offsets[i] <= offsets[i - 1] || offsets[i] > static_cast<int64_t>(tokens)) {
      fail(at("offsets", i, offsets[i]) + ", expected " + std::to_string(offsets[i - 1] + int64_t{1}) + " .. " +
           std::to_string(tokens));
    }
  }
  if (offsets[sequences] != static_cast<int64_t>(tokens)) {
    fail(at("offsets", sequences, offsets[sequences]) + ", expected " + std::to_string(tokens));
  }
}

void check_rows(std::span<const int32_t> rows, int tokens) {
  for (size_t i = 0; i < rows.size(); i++) {
    if (rows[i] < 0 || rows[i] >= tokens)
      fail(at("rows", i, rows[i]) + ", expected 0 .. " + std::to_string(tokens - 1));
  }
}

}  // namespace mt
