// The arrays of a pack that JavaScript gives (NativePack of src/native/types.ts), copied.
#pragma once
#include <napi.h>

#include <vector>

#include "../backend/pack.h"

namespace mt::addon {

class PackArrays {
 public:
  // Throws INVALID_ARGUMENT naming the field.
  explicit PackArrays(Napi::Object object);

  // Without rows. It refers to the arrays.
  Pack pack() const { return {ids_, positions_, branch_start_, trees_}; }
  const std::vector<int32_t>& rows() const { return rows_; }
  const std::vector<int32_t>& targets() const { return targets_; }

 private:
  std::vector<int32_t> ids_, positions_, branch_start_;
  std::vector<Tree> trees_;
  std::vector<int32_t> rows_, targets_;
};

}  // namespace mt::addon
