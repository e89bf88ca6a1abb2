// One matrix product of LLaMA in buffers of its own, run by its launcher in backend/cuda/ops/ops.h, and what its output
// should be. There are several copies of the buffers, so that a run finds none of its own in the L2.
#pragma once
#include <memory>

#include "backend/cuda/ops/ops.h"
#include "gpu_timing.h"

namespace mt::bench {

enum class Epilogue { kQkv, kLinearAdd, kSwiglu, kHead };

struct ProductShape {
  const char* name;
  Epilogue epilogue;
  int n, k;      // both are multiples of 16
  int head_dim;  // only for kQkv, which has n / 3 / head_dim heads
};

template <class T>
class Product {
 public:
  Product(Device& device, const ProductShape& shape, int m);

  int m() const { return m_; }
  int copies() const { return copies_; }
  const ProductShape& shape() const { return shape_; }
  // a [m, k] and b [n, k] of a copy, counted modulo copies().
  const T* a(int copy) const { return a_->get() + int64_t{copy % copies_} * m_ * shape_.k; }
  const T* b(int copy) const { return b_->get() + int64_t{copy % copies_} * shape_.n * shape_.k; }

  // Queues the product on a copy.
  void run(int copy);

  // Compares rows [first, first + count) of copy 0, which has run once, with what the launcher should make of
  // c = a b^T [count, n]. Returns the largest error, as a multiple of what is allowed.
  double worst_error(int first, int count, const std::vector<float>& c);

 private:
  template <class U>
  struct Array {
    Array(Device& device, int64_t count) : memory(device, count * sizeof(U)), count(count) {}
    U* get() const { return static_cast<U*>(memory.data()); }
    std::vector<U> read(Device& device, int64_t first, int64_t length) const {
      std::vector<U> values(length);
      device.download(values.data(), get() + first, length * sizeof(U));
      return values;
    }
    DeviceMemory memory;
    int64_t count;
  };
  template <class U>
  using Owned = std::unique_ptr<Array<U>>;

  double worst_linear_add(int first, int count, const std::vector<float>& c);
  double worst_swiglu(int first, int count, const std::vector<float>& c);
  double worst_qkv(int first, int count, const std::vector<float>& c);
  double worst_head(int first, int count, const std::vector<float>& c);

  Device& device_;
  ProductShape shape_;
  int m_, copies_;
  Owned<T> a_, b_, f_;
  Owned<float> x_, cos_, sin_, target_logits_;
  Owned<MT_TARGET::HeadPartial> partials_;
  Owned<int32_t> pos_, targets_;
  std::vector<float> start_;  // what x of copy 0 holds at first
  std::vector<float> cosines_, sines_;
};

}  // namespace mt::bench
