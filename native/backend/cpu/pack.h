// A pack as the CPU's ops read it.
#pragma once
#include <vector>

#include "../pack.h"
#include "attention.h"

namespace mt::cpu {

class CpuPack final : public PlacedPack {
 public:
  std::vector<int32_t> ids, pos, branch_start, rows, cache_rows;
  std::vector<Tree> trees;
  std::vector<QueryTile> tiles;
};

inline const CpuPack& placed(const PlacedPack& pack) { return static_cast<const CpuPack&>(pack); }

}  // namespace mt::cpu
