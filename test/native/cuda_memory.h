// Device memory and number types for tests of the CUDA backend's launchers, in the simulator and on a GPU.
#pragma once
#include <type_traits>
#include <vector>

#include "backend/cuda/device/types.h"
#include "backend/cuda/runtime/runtime.h"
#include "base/dtype.h"

namespace mt::test {

using MT_TARGET::bf16;
using MT_TARGET::f16;

template <class T>
constexpr DType dtype_of() {
  return std::is_same_v<T, float> ? DType::kFloat32 : std::is_same_v<T, bf16> ? DType::kBFloat16 : DType::kFloat16;
}

inline float widen(float x) { return x; }
inline float widen(bf16 x) { return bf16_to_f32(x.bits); }
inline float widen(f16 x) { return f16_to_f32(x.bits); }

template <class T>
std::vector<float> widen(const std::vector<T>& values) {
  std::vector<float> wide;
  for (const T x : values) wide.push_back(widen(x));
  return wide;
}

template <class T>
std::vector<T> narrow(const std::vector<float>& values) {
  std::vector<T> narrow;
  for (const float x : values) {
    if constexpr (std::is_same_v<T, float>)
      narrow.push_back(x);
    else if constexpr (std::is_same_v<T, bf16>)
      narrow.push_back({f32_to_bf16(x)});
    else
      narrow.push_back({f32_to_f16(x)});
  }
  return narrow;
}

// Device memory for `count` elements of T, which begin `shift` bytes into it and end where it ends.
template <class T>
class Placed {
 public:
  Placed(MT_TARGET::Device& device, size_t count, int shift = 0)
      : device_(device), memory_(device, count * sizeof(T) + shift), count_(count), shift_(shift) {}
  Placed(MT_TARGET::Device& device, const std::vector<T>& values, int shift = 0)
      : Placed(device, values.size(), shift) {
    if (!values.empty()) device.upload(data(), values.data(), values.size() * sizeof(T));
  }

  T* data() const { return reinterpret_cast<T*>(static_cast<char*>(memory_.data()) + shift_); }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    device_.download(values.data(), data(), count_ * sizeof(T));
    return values;
  }

 private:
  MT_TARGET::Device& device_;
  MT_TARGET::DeviceMemory memory_;
  size_t count_;
  int shift_;
};

}  // namespace mt::test
