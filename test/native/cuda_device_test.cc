// The simulator itself: mistakes whose effect on a GPU is undefined must show in it.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/device/device.cuh"
#include "backend/cuda/runtime/launch.cuh"
#include "base/error.h"
#include "check.h"
#include "cuda_launch_error.h"

namespace mt::host_device {
namespace {

using test::check;

// ---- mistakes ----

MT_KERNEL(64, 1) early_exit() {
  if (thread_index() == 40) return;
  sync_block();
}
MT_KERNEL(64, 1) divergent_barrier() {
  if (block_x() == 1 && thread_index() % 2) sync_warp();
  sync_block();
}
MT_KERNEL(32, 1) different_operations() {
  if (thread_index() < 16)
    shuffle(1, 0);
  else
    sync_warp();
}
MT_KERNEL(32, 1) unaligned_matrix() {
  uint32_t r[4];
  ldmatrix_x4(r, shared_memory() + 2);
}
MT_KERNEL(32, 1) unaligned_copy(const char* global) { cp_async16(shared_memory(), global + 4, 16); }
MT_KERNEL(32, 1) forgotten_copy(const char* global) { cp_async16(shared_memory(), global, 16); }

void test_mistakes() {
  const Device device(0);
  alignas(16) static const char bytes[32] = {};
  expect(error_of({.threads = 64}, early_exit),
         "block (0, 0) thread 0 waits at sync_block: 63 of 64 threads have come");
  expect(error_of({.x = 2, .threads = 64}, divergent_barrier), "block (1, 0) thread 0 waits at sync_block");
  expect(error_of({.threads = 32}, different_operations), "sync_warp while another thread of its warp is at shuffle");
  expect(error_of({.threads = 32, .shared = 64}, unaligned_matrix), "ldmatrix_x4 at an address");
  expect(error_of({.threads = 32, .shared = 16}, unaligned_copy, bytes), "cp_async16 at an address");
  expect(error_of({.threads = 32, .shared = 16}, forgotten_copy, bytes), "copies in flight");
  expect(error_of({.threads = 33}, early_exit), "33 threads");
  expect(error_of({.threads = 32, .shared = (99 << 10) + 1}, early_exit), "101377 bytes of shared memory");
  set_compute_capability(9);
  CHECK_EQ(error_of({.threads = 32, .shared = 227 << 10}, early_exit), "");
  expect(error_of({.threads = 32, .shared = (227 << 10) + 1}, early_exit), "232449 bytes of shared memory");
  set_compute_capability(8);
}

// ---- what is undefined reads as NaN ----

MT_KERNEL(32, 1) fresh_shared_memory(float* out) {
  auto* shared = reinterpret_cast<float*>(shared_memory());
  if (thread_index() == 0) {
    out[block_x()] = shared[0];
    shared[0] = 1;
  }
}
// Writes to `out` what shared memory holds before the wait, after it, and where the copy was to fill in zeros.
MT_KERNEL(32, 1) asynchronous_copy(const float* global, float* out) {
  auto* shared = reinterpret_cast<float*>(shared_memory());
  if (thread_index() > 0) return;
  shared[0] = 5;
  cp_async16(shared, global, 12);
  cp_async_commit();
  cp_async16(shared + 4, global, 16);
  cp_async_commit();
  out[0] = shared[0];
  cp_async_wait<1>();
  out[1] = shared[0];
  out[2] = shared[3];
  out[3] = shared[4];
  cp_async_wait<0>();
  out[4] = shared[7];
}

void test_undefined() {
  Device device(0);
  float fresh[2] = {};
  launch(device, {.x = 2, .threads = 32, .shared = 4}, fresh_shared_memory, fresh);
  CHECK(std::isnan(fresh[0]));
  CHECK(std::isnan(fresh[1]));
  alignas(16) const float from[4] = {1, 2, 3, 4};
  float out[5];
  launch(device, {.threads = 32, .shared = 32}, asynchronous_copy, from, out);
  CHECK(std::isnan(out[0]));
  CHECK_EQ(out[1], 1.0f);
  CHECK_EQ(out[2], 0.0f);
  CHECK(std::isnan(out[3]));
  CHECK_EQ(out[4], 4.0f);
  const DeviceMemory memory(device, 4);
  CHECK(std::isnan(*static_cast<float*>(memory.data())));
}

// ---- operations of a warp ----

// Computes c[16, 8] = a[16, 16] b[8, 16]^T by ldmatrix and mma, and the transpose of a by ldmatrix_x4_trans.
template <class T>
MT_KERNEL(32, 1)
one_product(const T* a, const T* b, float* c, T* transposed) {
  auto* sa = reinterpret_cast<T*>(shared_memory());
  T* sb = sa + 256;
  const int lane = lane_index();
  for (int i = lane; i < 256; i += 32) sa[i] = a[i];
  for (int i = lane; i < 128; i += 32) sb[i] = b[i];
  sync_warp();
  uint32_t fa[4], fb[4], ft[4];
  ldmatrix_x4(fa, sa + lane % 16 * 16 + lane / 16 * 8);
  ldmatrix_x4(fb, sb + lane % 8 * 16 + lane / 8 % 2 * 8);
  float sum[4] = {};
  mma_m16n8k16<T>(sum, fa, fb[0], fb[1]);
  for (int e = 0; e < 4; e++) c[(lane / 4 + e / 2 * 8) * 8 + lane % 4 * 2 + e % 2] = sum[e];
  ldmatrix_x4_trans(ft, sa + lane % 16 * 16 + lane / 16 * 8);
  for (int j = 0; j < 4; j++)
    for (int e = 0; e < 2; e++)
      transposed[(j / 2 * 8 + lane / 4) * 16 + j % 2 * 8 + lane % 4 * 2 + e] =
          T{static_cast<uint16_t>(ft[j] >> (16 * e))};
}

template <class T>
void test_product() {
  Device device(0);
  T a[256], b[128], transposed[256];
  float c[128];
  for (int i = 0; i < 256; i++) a[i] = from_float<T>(static_cast<float>(i % 23 - 11));
  for (int i = 0; i < 128; i++) b[i] = from_float<T>(static_cast<float>(i % 17 - 8));
  launch(device, {.threads = 32, .shared = 768}, one_product<T>, a, b, c, transposed);
  for (int m = 0; m < 16; m++) {
    for (int n = 0; n < 8; n++) {
      float want = 0;
      for (int k = 0; k < 16; k++) want += to_float(a[m * 16 + k]) * to_float(b[n * 16 + k]);
      CHECK_EQ(c[m * 8 + n], want);
    }
    for (int k = 0; k < 16; k++) CHECK_EQ(transposed[k * 16 + m].bits, a[m * 16 + k].bits);
  }
}

MT_KERNEL(64, 1) reduce(float* out) {
  const auto mine = static_cast<float>(thread_index());
  out[thread_index()] = warp_sum(mine);
  out[64 + thread_index()] = warp_max(-mine);
  out[128 + thread_index()] = shuffle(mine, 3);
}

void test_shuffles() {
  Device device(0);
  float out[192];
  launch(device, {.threads = 64}, reduce, out);
  for (int i = 0; i < 64; i++) {
    const int warp = i / 32;
    CHECK_EQ(out[i], 496.0f + 1024.0f * warp);
    CHECK_EQ(out[64 + i], -32.0f * warp);
    CHECK_EQ(out[128 + i], 3.0f + 32.0f * warp);
  }
}

// out [first, lane] is what lowest_lane() tells each lane if the condition holds in the lanes from `first` on, except
// every eighth.
MT_KERNEL(32, 1) vote(int* out) {
  for (int first = 0; first <= 32; first++)
    out[first * 32 + lane_index()] = lowest_lane(lane_index() >= first && lane_index() % 8 < 7);
}

// Every thread adds its number + 1. out holds what each of them found before, and at the end the sum.
MT_KERNEL(64, 1) add_up(uint32_t* out) {
  auto* sum = reinterpret_cast<uint32_t*>(shared_memory());
  if (thread_index() == 0) *sum = 0;
  sync_block();
  out[thread_index()] = atomic_add(sum, thread_index() + 1);
  sync_block();
  if (thread_index() == 0) out[64] = *sum;
}

void test_votes_and_atomics() {
  Device device(0);
  int lowest[33 * 32];
  launch(device, {.threads = 32}, vote, lowest);
  for (int first = 0; first <= 32; first++)
    for (int lane = 0; lane < 32; lane++)
      CHECK_EQ(lowest[first * 32 + lane], first >= 31 ? -1 : first % 8 == 7 ? first + 1 : first);
  uint32_t found[65];
  launch(device, {.threads = 64, .shared = 4}, add_up, found);
  CHECK_EQ(found[64], 64u * 65 / 2);
  std::vector<std::pair<uint32_t, uint32_t>> additions;  // the sum before each addition, and what was added
  for (uint32_t i = 0; i < 64; i++) additions.push_back({found[i], i + 1});
  std::sort(additions.begin(), additions.end());
  uint32_t sum = 0;
  for (const auto& [before, added] : additions) {
    CHECK_EQ(before, sum);
    sum += added;
  }
}

}  // namespace
}  // namespace mt::host_device

int main() {
  using namespace mt::host_device;
  for (const Schedule schedule : {Schedule::kForward, Schedule::kBackward}) {
    set_schedule(schedule);
    if (schedule == Schedule::kForward) test_mistakes();
    test_undefined();
    test_product<bf16>();
    test_product<f16>();
    test_shuffles();
    test_votes_and_atomics();
  }
  return mt::test::finish("cuda_device_test");
}
