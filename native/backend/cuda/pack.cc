// Lays the arrays of a pack out in one piece of memory and uploads it.
#include "pack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "../../base/error.h"

namespace mt::MT_TARGET {
namespace {

// Arrays one after another in one piece of memory, each at a multiple of 16 bytes.
class Layout {
 public:
  template <class T>
  size_t add(std::span<const T> values) {
    const size_t at = bytes_;
    arrays_.push_back({std::as_bytes(values), at});
    bytes_ = (at + values.size_bytes() + 15) / 16 * 16;
    return at;
  }
  size_t bytes() const { return bytes_; }
  void write(std::byte* to) const {
    for (const auto& [values, at] : arrays_) std::copy(values.begin(), values.end(), to + at);
  }

 private:
  struct Array {
    std::span<const std::byte> values;
    size_t at;
  };
  std::vector<Array> arrays_;
  size_t bytes_ = 0;
};

}  // namespace

CudaPack::CudaPack(Device& device, MemoryPool& pool, UploadRing& ring, const Pack& pack, HeadShape shape,
                   std::span<const int> windows)
    : row_count(static_cast<int>(pack.rows.size())), pool_(pool) {
  tokens = static_cast<int>(pack.ids.size());
  std::vector<int32_t> tree_starts(tokens), prefix_ends(tokens);
  for (const Tree& tree : pack.trees) {
    std::fill_n(tree_starts.begin() + tree.start, tree.end - tree.start, tree.start);
    std::fill_n(prefix_ends.begin() + tree.start, tree.end - tree.start, tree.start + tree.prefix_len);
  }
  Layout layout;
  const size_t ids_at = layout.add(pack.ids), pos_at = layout.add(pack.pos),
               branch_start_at = layout.add(pack.branch_start);
  const size_t tree_start_at = layout.add(std::span<const int32_t>(tree_starts)),
               prefix_end_at = layout.add(std::span<const int32_t>(prefix_ends));
  const size_t rows_at = layout.add(pack.rows), cache_rows_at = layout.add(pack.cache_rows);
  std::vector<std::array<size_t, 2>> plans_at;
  for (const int window : windows) {
    plans_.push_back({window, plan_attention(pack, shape, window, max_slots(shape)), nullptr, nullptr});
    const AttentionPlan& plan = plans_.back().plan;  // its arrays stay where they are when plans_ grows
    plans_at.push_back(
        {layout.add(std::span<const AttentionTile>(plan.tiles)), layout.add(std::span<const MergedTile>(plan.merged))});
  }
  memory_ = pool.take(layout.bytes());
  std::byte* piece = ring.next(layout.bytes());
  layout.write(piece);
  device.queue_upload(memory_->data(), 0, piece, layout.bytes(), 1, Lane::kCompute);
  ring.queued();
  const auto* base = static_cast<const std::byte*>(memory_->data());
  ids = reinterpret_cast<const int32_t*>(base + ids_at);
  pos = reinterpret_cast<const int32_t*>(base + pos_at);
  branch_start = reinterpret_cast<const int32_t*>(base + branch_start_at);
  tree_start = reinterpret_cast<const int32_t*>(base + tree_start_at);
  prefix_end = reinterpret_cast<const int32_t*>(base + prefix_end_at);
  rows = reinterpret_cast<const int32_t*>(base + rows_at);
  cache_rows = reinterpret_cast<const int32_t*>(base + cache_rows_at);
  for (size_t i = 0; i < plans_.size(); i++) {
    plans_[i].tiles = reinterpret_cast<const AttentionTile*>(base + plans_at[i][0]);
    plans_[i].merged = reinterpret_cast<const MergedTile*>(base + plans_at[i][1]);
  }
}

const WindowPlan& CudaPack::plan_for(int window) const {
  for (const WindowPlan& plan : plans_)
    if (plan.window == window) return plan;
  throw Error(ErrorCode::INTERNAL, "attention: place() was not told of a window of " + std::to_string(window));
}

}  // namespace mt::MT_TARGET
