// The Hopper part of the simulator: barriers, TMA loads and wgmma do what the PTX ISA says, and mistakes show.
#include <cmath>
#include <string>

#include "backend/cuda/device/device_sm90.cuh"
#include "backend/cuda/runtime/launch.cuh"
#include "base/error.h"
#include "check.h"
#include "cuda_launch_error.h"
#include "random.h"

namespace mt::host_device {
namespace {

using test::check;

MT_DEVICE uint64_t* barriers() { return reinterpret_cast<uint64_t*>(shared_memory()); }

MT_DEVICE void start_barriers(int number, int count) {
  if (thread_index() == 0) {
    for (int i = 0; i < number; i++) mbarrier_init(barriers() + i, count);
    mbarrier_fence_init();
  }
  sync_block();
}

// ---- barriers ----

// Two warps hand a number to and fro. The first wait for `free` is for parity 1 of a new barrier and returns at once;
// each later one waits for the next phase.
MT_KERNEL(64, 1) ping_pong(int rounds, int* out) {
  start_barriers(2, 32);
  uint64_t *full = barriers(), *free = barriers() + 1;
  auto* number = reinterpret_cast<int*>(barriers() + 2);
  for (int i = 0; i < rounds; i++) {
    const uint32_t parity = i % 2;
    if (warp_index() == 0) {
      mbarrier_wait(free, parity ^ 1);
      if (lane_index() == 0) *number = 10 * i;
      mbarrier_arrive(full);
    } else {
      mbarrier_wait(full, parity);
      if (lane_index() == 0) out[i] = *number;
      mbarrier_arrive(free);
    }
  }
}

// All threads wait for the phase of this parity after so many arrivals, the last of which expects `bytes` if there are
// any. The barrier counts 3 arrivals a phase.
MT_KERNEL(32, 1) wait_for_phase(int arrivals, int bytes, uint32_t parity) {
  start_barriers(1, 3);
  if (thread_index() < arrivals) mbarrier_arrive(barriers());
  if (thread_index() == arrivals && bytes > 0) mbarrier_arrive_expect(barriers(), bytes);
  sync_block();
  mbarrier_wait(barriers(), parity);
}
MT_KERNEL(32, 1) arrive_once_more() {
  start_barriers(1, 2);
  if (thread_index() == 0) mbarrier_arrive_expect(barriers(), 64);
  sync_block();
  if (thread_index() < 2) mbarrier_arrive(barriers());
}
MT_KERNEL(32, 1) not_initialised() { mbarrier_wait(barriers(), 0); }
MT_KERNEL(32, 1) not_fenced() {
  if (thread_index() == 0) mbarrier_init(barriers(), 1);
  sync_block();
  if (thread_index() == 1) mbarrier_arrive(barriers());
}
MT_KERNEL(32, 1) off_alignment() {
  if (thread_index() == 0) mbarrier_init(reinterpret_cast<uint64_t*>(shared_memory() + 4), 1);
}
MT_KERNEL(64, 1) elect(int* out) {
  if (elect_one()) out[warp_index()]++;
}
MT_KERNEL(128, 1) half_a_warpgroup() {
  if (warp_index() < 2) more_registers<232>();
}

void test_barriers() {
  Device device(0);
  int out[6] = {}, elected[2] = {};
  launch(device, {.threads = 64, .shared = 24}, ping_pong, 6, out);
  for (int i = 0; i < 6; i++) CHECK_EQ(out[i], 10 * i);
  launch(device, {.threads = 64}, elect, elected);
  CHECK_EQ(elected[0], 1);
  CHECK_EQ(elected[1], 1);

  const Grid grid = {.threads = 32, .shared = 16};
  CHECK_EQ(error_of(grid, wait_for_phase, 3, 0, 0), "");
  CHECK_EQ(error_of(grid, wait_for_phase, 0, 0, 1), "");
  CHECK_EQ(error_of(grid, wait_for_phase, 6, 0, 1), "");
  expect(error_of(grid, wait_for_phase, 3, 0, 1), "mbarrier_wait for parity 1 of the barrier at byte 0");
  expect(error_of(grid, wait_for_phase, 2, 0, 0),
         "mbarrier_wait for parity 0 of the barrier at byte 0 of shared memory: 2 of 3 arrivals have come");
  expect(error_of(grid, wait_for_phase, 2, 4096, 0), "3 of 3 arrivals have come, 4096 bytes are expected");
  expect(error_of(grid, wait_for_phase, 2, 1 << 20, 0), "1048576 bytes more");
  expect(error_of(grid, arrive_once_more), "more than the 2 arrivals of the barrier at byte 0");
  expect(error_of(grid, not_initialised), "the barrier at byte 0 of shared memory is not initialised");
  expect(error_of(grid, not_fenced), "no mbarrier_fence_init since the barrier at byte 0");
  expect(error_of(grid, off_alignment), "mbarrier_init: the barrier is not in shared memory at a multiple of 8");
  expect(error_of({.threads = 128}, half_a_warpgroup), "more_registers: 64 of 128 threads have come");
}

// ---- TMA ----

constexpr int kBoxRows = 16;
constexpr size_t kBoxShared = kAtomBytes + kBoxRows * kBoxBytes + 2 * sizeof(uint64_t);

MT_DEVICE char* boxes() { return align_to_atom(shared_memory() + 2 * sizeof(uint64_t)); }

// out[16, 64] is the box as it lies in shared memory, `early` its first element before the wait.
MT_KERNEL(32, 1) load_box(MT_GRID_CONSTANT TensorMap map, int col, int row, uint16_t* early, uint16_t* out) {
  start_barriers(1, 1);
  auto* box = reinterpret_cast<uint16_t*>(boxes());
  if (thread_index() == 0) {
    box[0] = 1;
    mbarrier_arrive_expect(barriers(), kBoxRows * kBoxBytes);
    tma_load(box, map, col, row, barriers());
    *early = box[0];
  }
  mbarrier_wait(barriers(), 0);
  for (int i = thread_index(); i < kBoxRows * kBoxCols; i += 32) out[i] = box[i];
}
MT_KERNEL(32, 1) load_off_alignment(MT_GRID_CONSTANT TensorMap map) {
  start_barriers(1, 1);
  if (thread_index() == 0) tma_load(boxes() + 128, map, 0, 0, barriers());
}
MT_KERNEL(32, 1) load_outside(MT_GRID_CONSTANT TensorMap map) {
  start_barriers(1, 1);
  if (thread_index() == 0) tma_load(boxes() + kAtomBytes, map, 0, 0, barriers());
}
MT_KERNEL(32, 1) load_without_fence(MT_GRID_CONSTANT TensorMap map) {
  if (thread_index() > 0) return;
  mbarrier_init(barriers(), 1);
  tma_load(boxes(), map, 0, 0, barriers());
}
MT_KERNEL(32, 1) load_without_wait(MT_GRID_CONSTANT TensorMap map) {
  start_barriers(1, 1);
  if (thread_index() == 0) tma_load(boxes(), map, 0, 0, barriers());
}
// A barrier receives the bytes of the whole box, even those outside the matrix.
MT_KERNEL(32, 1) expect_less(MT_GRID_CONSTANT TensorMap map, int bytes) {
  start_barriers(1, 1);
  if (thread_index() == 0) {
    mbarrier_arrive_expect(barriers(), bytes);
    tma_load(boxes(), map, 0, 0, barriers());
  }
  mbarrier_wait(barriers(), 0);
}

void test_loads() {
  Device device(0);
  constexpr int kRows = 21, kCols = 75, kStride = 80;
  alignas(16) static uint16_t matrix[kRows * kStride];
  for (int i = 0; i < kRows * kStride; i++) matrix[i] = static_cast<uint16_t>(i + 1);
  const TensorMap map = make_tensor_map(matrix, kRows, kCols, kStride, kBoxRows);
  for (const auto& [col, row] : {std::pair{0, 0}, {64, 0}, {0, 16}, {64, 16}, {8, 3}}) {
    uint16_t early = 0, out[kBoxRows * kBoxCols];
    launch(device, {.threads = 32, .shared = kBoxShared}, load_box, map, col, row, &early, out);
    CHECK_EQ(early, 0xffff);
    for (int r = 0; r < kBoxRows; r++)
      for (int c = 0; c < kBoxCols; c++) {
        const bool inside = row + r < kRows && col + c < kCols;
        const int want = inside ? matrix[(row + r) * kStride + col + c] : 0;
        const int got = out[r * kBoxCols + ((c / 8) ^ (r % 8)) * 8 + c % 8];
        check(got == want, "box at [%d, %d]: element [%d, %d] is %d, want %d", row, col, r, c, got, want);
      }
  }
  const Grid grid = {.threads = 32, .shared = kBoxShared};
  expect(error_of(grid, load_off_alignment, map), "is no multiple of 1024");
  expect(error_of(grid, load_outside, map), "tma_load: the target lies outside shared memory");
  expect(error_of(grid, load_without_fence, map), "tma_load: no mbarrier_fence_init");
  expect(error_of(grid, load_without_wait, map), "the block ends with TMA loads in flight");
  CHECK_EQ(error_of(grid, expect_less, map, kBoxRows * kBoxBytes), "");
  expect(error_of(grid, expect_less, map, 5 * kBoxBytes), "1 of 1 arrivals have come, -1408 bytes are expected");
  for (const int box_rows : {0, 257}) {
    std::string error;
    try {
      make_tensor_map(matrix, kRows, kCols, kStride, box_rows);
    } catch (const Error& e) {
      error = e.what();
    }
    expect(error, "no tensor map of 21 x 75 halves");
  }
}

// ---- wgmma ----

enum class Mistake {
  kNone,
  kNoFence,
  kOtherFence,
  kLateWrite,
  kEarlyWrite,
  kTouched,
  kMisaligned,
  kNoSwizzle,
  kOutside,
  kNoWait,
  kDiverged
};

template <int kCols>
constexpr size_t kProductShared = 2 * kAtomBytes + (64 + 8 * kCols) * kBoxBytes;

// c[64, n] += a[64, 64] b[n, 64]^T in four steps of k. early[thread] is an element of c before the wait.
template <class T, int kCols>
MT_KERNEL(128, 1)
product(MT_GRID_CONSTANT TensorMap a, MT_GRID_CONSTANT TensorMap b, float* c, float* early, Mistake mistake) {
  constexpr int kN = 8 * kCols;
  start_barriers(1, 1);
  char *const at_a = boxes(), *const at_b = at_a + 64 * kBoxBytes;
  if (thread_index() == 0) {
    mbarrier_arrive_expect(barriers(), (64 + kN) * kBoxBytes);
    tma_load(at_a, a, 0, 0, barriers());
    tma_load(at_b, b, 0, 0, barriers());
  }
  mbarrier_wait(barriers(), 0);
  sync_block();
  const int row = warp_index() * 16 + lane_index() / 4, col = lane_index() % 4 * 2;
  float acc[kCols][4];
  for (int j = 0; j < kCols; j++)
    for (int e = 0; e < 4; e++) acc[j][e] = c[(row + e / 2 * 8) * kN + 8 * j + col + e % 2];
  float other[kCols][4] = {};
  if (mistake == Mistake::kOtherFence)
    wgmma_fence(other);
  else if (mistake != Mistake::kNoFence)
    wgmma_fence(acc);
  if (mistake == Mistake::kLateWrite) acc[kCols - 1][3] += 1;
  for (int k = 0; k < 4; k++) {
    uint64_t from = wgmma_descriptor(at_a + 32 * k);
    if (mistake == Mistake::kMisaligned) from += 128 >> 4;
    if (mistake == Mistake::kNoSwizzle) from &= ~(uint64_t{3} << 62);
    if (mistake == Mistake::kOutside) from += (64 + kN) * kBoxBytes >> 4;
    if (mistake == Mistake::kDiverged && warp_index() == 3) from = wgmma_descriptor(at_a);
    wgmma<T>(acc, from, wgmma_descriptor(at_b + 32 * k));
    if (k == 1) wgmma_commit();
  }
  wgmma_commit();
  wgmma_wait<1>();
  early[thread_index()] = acc[kCols - 1][3];
  if (mistake == Mistake::kNoWait) return;
  if (mistake == Mistake::kTouched) acc[0][0] = 0;
  if (mistake == Mistake::kEarlyWrite && thread_index() == 0) at_b[0] ^= 1;
  wgmma_finish(acc);
  for (int j = 0; j < kCols; j++)
    for (int e = 0; e < 4; e++) c[(row + e / 2 * 8) * kN + 8 * j + col + e % 2] = acc[j][e];
}

template <class T, int kCols>
void test_product() {
  constexpr int kN = 8 * kCols;
  Device device(0);
  alignas(16) static T a[64 * 64], b[kN * 64];
  std::vector<float> c(64 * kN), early(128);
  for (int i = 0; i < 64 * 64; i++) a[i] = from_float<T>(static_cast<float>(i % 23 - 11));
  for (int i = 0; i < kN * 64; i++) b[i] = from_float<T>(static_cast<float>(i % 17 - 8));
  for (int i = 0; i < 64 * kN; i++) c[i] = static_cast<float>(i % 5);
  const TensorMap map_a = make_tensor_map(a, 64, 64, 64, 64), map_b = make_tensor_map(b, kN, 64, 64, kN);
  const Grid grid = {.threads = 128, .shared = kProductShared<kCols>};
  launch(device, grid, product<T, kCols>, map_a, map_b, c.data(), early.data(), Mistake::kNone);
  for (const float f : early) CHECK(std::isnan(f));
  for (int m = 0; m < 64; m++)
    for (int n = 0; n < kN; n++) {
      float want = static_cast<float>((m * kN + n) % 5);
      for (int k = 0; k < 64; k++) want += to_float(a[m * 64 + k]) * to_float(b[n * 64 + k]);
      check(c[m * kN + n] == want, "wgmma n = %d: [%d, %d] = %g, want %g", kN, m, n, c[m * kN + n], want);
    }
  const auto with = [&](Mistake mistake) {
    return error_of(grid, product<T, kCols>, map_a, map_b, c.data(), early.data(), mistake);
  };
  expect(with(Mistake::kNoFence), "no wgmma_fence since");
  expect(with(Mistake::kOtherFence), "no wgmma_fence since");
  expect(with(Mistake::kLateWrite), "the accumulators were written after wgmma_fence");
  expect(with(Mistake::kEarlyWrite), "a or b was written while wgmma was reading it");
  expect(with(Mistake::kTouched), "the accumulators were written in flight");
  expect(with(Mistake::kMisaligned), "no multiple of 1024 plus 0, 32, 64 or 96");
  expect(with(Mistake::kNoSwizzle), "does not ask for the 128-byte swizzle");
  expect(with(Mistake::kOutside), "a lies outside shared memory");
  expect(with(Mistake::kNoWait), "the thread ends with wgmma in flight");
  expect(with(Mistake::kDiverged), "thread 96 of the warpgroup has other descriptors");
}

}  // namespace
}  // namespace mt::host_device

int main() {
  using namespace mt::host_device;
  for (const Schedule schedule : {Schedule::kForward, Schedule::kBackward}) {
    set_schedule(schedule);
    test_barriers();
    test_loads();
    test_product<bf16, 4>();
    test_product<f16, 4>();
    test_product<bf16, 16>();
    test_product<f16, 16>();
    test_product<bf16, 32>();
    test_product<f16, 32>();
  }
  return mt::test::finish("cuda_hopper_device_test");
}
