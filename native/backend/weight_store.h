// The weights of matrix products, in the layout that a backend multiplies fastest.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../base/dtype.h"

namespace mt {

// The shape that attention and rotary embedding need.
struct HeadShape {
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
};

// Which output rows of a weight belong together. A backend may choose its layout by this.
enum class MatrixKind : uint8_t {
  kPlain,   // [out, in]
  kQkv,     // [heads * d + 2 * kv_heads * d, in]: all of q, then all of k, then all of v
  kGateUp,  // [2 * ffn, in]: all of gate, then all of up
};

// A weight [out, in] in the backend's own layout, converted and packed once at load.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int rows = 0;  // out
  int cols = 0;  // in
  DType dtype = DType::kFloat32;
  MatrixKind kind = MatrixKind::kPlain;
};

class WeightStore {
 public:
  virtual ~WeightStore() = default;

  // Bytes that create_matrix() needs, so that a load can be refused before it starts. Throws INVALID_ARGUMENT for heads
  // for which the backend has no attention.
  virtual size_t matrix_bytes(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype) const = 0;
  // `memory` has that size, is aligned as a Buffer, and outlives the matrix.
  virtual std::unique_ptr<Matrix> create_matrix(int rows, int cols, MatrixKind kind, HeadShape shape, DType dtype,
                                                void* memory) = 0;
  // Rounds host values [count, cols] f32 to the matrix's dtype and stores them as rows row .. row + count - 1. After
  // the call the values may be changed, and ops that are queued see the rows.
  virtual void write_rows(Matrix& matrix, int row, int count, const float* values) = 0;
  // Waits until all rows are on the device, and frees the memory that their transfer needed.
  virtual void finish_rows() {}
  // The dtype of the `h`, `a` and `f` inputs of ForwardOps for weights of this dtype.
  virtual DType activation_dtype(DType weights) const = 0;
};

}  // namespace mt
