// What the forward and the backward ops of the reference share: matrices, packs, and reading rows of either type.
#pragma once
#include <memory>
#include <vector>

#include "../../base/error.h"
#include "../backend.h"

namespace mt::reference {

// Values already rounded to the matrix's dtype, kept as float32: [rows, cols].
class ReferenceMatrix final : public Matrix {
 public:
  float* values = nullptr;

  const float* row(int r) const { return values + static_cast<size_t>(r) * cols; }
};

inline const ReferenceMatrix& packed(const Matrix& matrix) { return static_cast<const ReferenceMatrix&>(matrix); }

class ReferencePack final : public PlacedPack {
 public:
  std::vector<int32_t> ids, pos, branch_start, rows, cache_rows;
  std::vector<Tree> trees;
};

inline const ReferencePack& placed(const PlacedPack& pack) { return static_cast<const ReferencePack&>(pack); }

inline float round_to(DType dtype, float value) {
  switch (dtype) {
    case DType::kFloat32:
      return value;
    case DType::kBFloat16:
      return bf16_to_f32(f32_to_bf16(value));
    case DType::kFloat16:
      return f16_to_f32(f32_to_f16(value));
  }
  throw Error(ErrorCode::INTERNAL, "a dtype that does not exist");
}

inline float* row_of(View view, int row) {
  return static_cast<float*>(view.data) + static_cast<size_t>(row) * view.cols;
}

// Activations are float32 or bfloat16; these two are the only places that tell them apart.
inline float get(View view, int row, int col) {
  const size_t i = static_cast<size_t>(row) * view.cols + col;
  return view.dtype == DType::kFloat32 ? static_cast<const float*>(view.data)[i]
                                       : bf16_to_f32(static_cast<const uint16_t*>(view.data)[i]);
}

inline void set(View view, int row, int col, float value) {
  const size_t i = static_cast<size_t>(row) * view.cols + col;
  if (view.dtype == DType::kFloat32) {
    static_cast<float*>(view.data)[i] = value;
  } else {
    static_cast<uint16_t*>(view.data)[i] = f32_to_bf16(value);
  }
}

// a[row, :] . w, summed in float64
inline float dot(View a, int row, const float* w) {
  double sum = 0;
  for (int i = 0; i < a.cols; i++) sum += double{get(a, row, i)} * w[i];
  return static_cast<float>(sum);
}

inline float bias_at(View bias, int i) { return bias.data ? static_cast<const float*>(bias.data)[i] : 0.0f; }

// What adapters add to element [row, col] of a product.
inline float added_at(const LowRank& added, int row, int col) {
  return added.b ? dot(added.z, row, packed(*added.b).row(col)) : 0.0f;
}

std::unique_ptr<BackwardOps> make_backward_ops();

}  // namespace mt::reference
