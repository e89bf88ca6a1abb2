// Adds rows to the rows of a table that a list names: the backward passes of embed and of gather_rows. A name may come
// many times. A warp looks at one place of the list: if its name comes there for the first time, it adds the rows of
// all places with this name, in their order. Bound by memory; a block reads the list once for each of its slices of
// columns.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kWarps = 4;
constexpr int kColumns = 8;                      // columns of a lane
constexpr int kSliceColumns = kColumns * kWarp;  // of a warp

MT_KERNEL(kWarps* kWarp, 4)
add_rows_kernel(const float* from, const int32_t* names, int count, int cols, float* to) {
  const int place = block_x() * kWarps + warp_index();
  if (place >= count) return;
  const int name = names[place];
  for (int first = 0; first < place; first += kWarp) {
    const int i = first + lane_index();
    if (lowest_lane(i < place && names[i] == name) >= 0) return;  // another warp adds them
  }
  const int col = block_y() * kSliceColumns + lane_index();
  float sums[kColumns] = {};
  for (int first = place / kWarp * kWarp; first < count; first += kWarp) {
    const int i = first + lane_index();
    bool same = i >= place && i < count && names[i] == name;
    for (int lane; (lane = lowest_lane(same)) >= 0;) {
      const float* row = from + static_cast<int64_t>(first + lane) * cols;
#pragma unroll
      for (int j = 0; j < kColumns; j++) {
        const int c = col + j * kWarp;
        if (c < cols) sums[j] += row[c];
      }
      if (lane_index() == lane) same = false;
    }
  }
  float* row = to + static_cast<int64_t>(name) * cols;
#pragma unroll
  for (int j = 0; j < kColumns; j++) {
    const int c = col + j * kWarp;
    if (c < cols) row[c] += sums[j];
  }
}

}  // namespace

void add_rows(Device& device, const float* from, const int32_t* names, int count, int cols, float* to) {
  if (count == 0) return;
  launch(
      device,
      {.x = (count + kWarps - 1) / kWarps, .y = (cols + kSliceColumns - 1) / kSliceColumns, .threads = kWarps * kWarp},
      add_rows_kernel, from, names, count, cols, to);
}

}  // namespace mt::MT_TARGET
