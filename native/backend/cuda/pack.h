// A pack on the device: its arrays and its attention plans.
#pragma once
#include <span>

#include "attention/attention.h"
#include "runtime/staging.h"

namespace mt::MT_TARGET {

// Bytes that the partial sums of one step of attention may take (AttentionStep).
constexpr size_t kPartialBytes = 128u << 20;

// 32-bit numbers that a pack holds for each token and row.
constexpr size_t kTokenWords = 7;

// Bytes of a pack's arrays per token, if every token had an attention tile of its own for each of so many windows. Only
// tokens of long sequences have more.
constexpr size_t pack_token_bytes(size_t windows) {
  return kTokenWords * sizeof(int32_t) + windows * (sizeof(AttentionTile) + sizeof(MergedTile));
}

constexpr int max_slots(HeadShape shape) {
  return static_cast<int>(kPartialBytes / sizeof(float) / partial_floats(shape));
}

// What attention with one window needs of a pack.
struct WindowPlan {
  int window;
  AttentionPlan plan;
  const AttentionTile* tiles;  // plan's, on the device
  const MergedTile* merged;
};

// All arrays lie in one piece of memory, which one copy fills.
class CudaPack final : public PlacedPack {
 public:
  CudaPack(Device& device, MemoryPool& pool, UploadRing& ring, const Pack& pack, HeadShape shape,
           std::span<const int> windows);
  ~CudaPack() override { pool_.give(std::move(memory_)); }

  const WindowPlan& plan_for(int window) const;

  int row_count;
  const int32_t *ids, *pos, *branch_start;  // [tokens]
  const int32_t *tree_start, *prefix_end;   // [tokens] of the token's tree
  const int32_t* rows;                      // [row_count]
  const int32_t* cache_rows;                // [tokens] or empty

 private:
  std::vector<WindowPlan> plans_;
  MemoryPool& pool_;
  std::unique_ptr<DeviceMemory> memory_;
};

inline const CudaPack& placed(const PlacedPack& pack) { return static_cast<const CudaPack&>(pack); }

}  // namespace mt::MT_TARGET
