// Reads tensors of a checkpoint as float32, some rows at a time.
#pragma once
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "../base/control.h"
#include "../base/file.h"
#include "stored_tensor.h"

namespace mt {

// Checks that `tensor` has the shape `wanted`, which is [out, in] or [n], and that its parts, base and adapters fit it:
// their shapes, their numbers of bytes, and that the rows of their types have whole blocks. Throws TENSOR_SHAPE, or
// INVALID_ARGUMENT for a tensor without parts.
void check_tensor(const StoredTensor& tensor, const std::vector<int64_t>& wanted, int head_dim);

// The bytes of all files that make up the tensor.
uint64_t stored_bytes(const StoredTensor& tensor);

// The tensors that it reads must have passed check_tensor().
class TensorReader {
 public:
  TensorReader(int head_dim, const Control& control) : head_dim_(head_dim), control_(control) {}

  // Rows can be read in multiples of this number, from a multiple of it on: whole heads where rows change their places.
  // A vector counts as rows of one column, and is read whole.
  int row_unit(const StoredTensor& tensor) const;

  // Reads rows first .. first + count - 1, [count, in]. The numbers stay until the next call.
  // Throws FILE_READ, ABORTED, and WEIGHT_NOT_FINITE where a number is not finite or its magnitude not below `limit`,
  // the least that is too large for the format `too_large_for`.
  std::span<const float> read(const StoredTensor& tensor, int first, int count, float limit,
                              std::string_view too_large_for);

  // Bytes read so far from files.
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Rows {
    int first, count, cols;
  };

  void read_stack(const StoredStack& stack, Rows rows, float* out);
  void read_part(const StoredPart& part, Rows rows, float* out);
  void add_base(const StoredStack& base, float sign, Rows rows);
  void add_adapters(const StoredTensor& tensor, Rows rows);
  const File& file(const std::string& path);
  size_t unpermuted(size_t row) const;

  const int head_dim_;
  const Control& control_;
  std::map<std::string, File> files_;
  uint64_t bytes_read_ = 0;
  std::vector<uint8_t> raw_;
  std::vector<float> values_, other_, part_, stored_rows_, product_;
  const StoredTensor* adapted_ = nullptr;  // the tensor whose adapters' a lie in `a_`
  std::vector<std::vector<float>> a_;
};

}  // namespace mt
