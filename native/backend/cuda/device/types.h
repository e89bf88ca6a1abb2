// Number types and vectors that host and device code share.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../runtime/target.h"

// Stands before a function that runs on the host and on the device.
#ifdef __CUDACC__
#define MT_HOST_DEVICE __host__ __device__
#else
#define MT_HOST_DEVICE
#endif

namespace mt::MT_TARGET {

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

// 16 bytes of T: 4 floats or 8 halves.
template <class T>
struct alignas(16) Vec16 {
  static constexpr int kCount = 16 / sizeof(T);
  T v[kCount];
};

// 8 bytes of T.
template <class T>
struct alignas(8) Vec8 {
  static constexpr int kCount = 8 / sizeof(T);
  T v[kCount];
};

// Whether vector accesses of so many bytes may start at p. Launchers ask this.
inline bool is_aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace mt::MT_TARGET
