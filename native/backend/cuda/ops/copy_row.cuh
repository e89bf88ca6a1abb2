// One warp copies a row and widens it to float32. embed, gather_rows and append_kv consist of this.
#pragma once
#include "../device/device.cuh"

namespace mt::MT_TARGET {

constexpr int kCopyWarps = 8;  // warps of a block, and so rows that it copies

// to[c] = from[c]. With `vectors`, both rows start at multiples of 16 bytes.
template <class T>
MT_DEVICE void copy_row(const T* from, float* to, int cols, bool vectors) {
  constexpr int kCount = Vec16<T>::kCount;
  const int whole = vectors ? cols / kCount * kCount : 0;
#pragma unroll 4
  for (int c = lane_index() * kCount; c < whole; c += kWarp * kCount) {
    const Vec16<T> x = load16(from + c);
#pragma unroll
    for (int i = 0; i < kCount; i += 4)
      store16(to + c + i, {to_float(x.v[i]), to_float(x.v[i + 1]), to_float(x.v[i + 2]), to_float(x.v[i + 3])});
  }
  for (int c = whole + lane_index(); c < cols; c += kWarp) to[c] = to_float(from[c]);
}

// The row that the running warp copies.
MT_DEVICE int copied_row() { return block_x() * kCopyWarps + warp_index(); }

constexpr int copy_blocks(int rows) { return (rows + kCopyWarps - 1) / kCopyWarps; }

}  // namespace mt::MT_TARGET
