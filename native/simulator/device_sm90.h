// The functions of device_sm90.cuh in C++, by those of async.h.
#pragma once
#include "async.h"

#define MT_GRID_CONSTANT const

namespace mt::MT_TARGET {

// The hardware may choose any lane. This chooses the first one, or the last one if threads run backwards.
inline bool elect_one() {
  int lane = current_thread() % 32;
  meet_warp("elect_one", &lane, [](void* const* lanes) {
    const int elected = threads_run_backwards() ? 31 : 0;
    for (int i = 0; i < 32; i++) *static_cast<int*>(lanes[i]) = i == elected;
  });
  return lane != 0;
}

template <int kRegisters>
void more_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  meet_warpgroup("more_registers", nullptr, [](void* const*) {});
}
template <int kRegisters>
void fewer_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  meet_warpgroup("fewer_registers", nullptr, [](void* const*) {});
}

inline uint32_t shared_address(const void* p) { return address_of_shared(p); }

inline void mbarrier_init(uint64_t* barrier, int count) { init_mbarrier(barrier, count); }
inline void mbarrier_fence_init() { fence_mbarriers(); }
inline void mbarrier_arrive(uint64_t* barrier) { arrive_mbarrier(barrier, 0); }
inline void mbarrier_arrive_expect(uint64_t* barrier, int bytes) { arrive_mbarrier(barrier, bytes); }
inline void mbarrier_wait(uint64_t* barrier, uint32_t parity) { wait_mbarrier(barrier, parity); }

inline void tma_load(void* shared, const TensorMap& map, int col, int row, uint64_t* barrier) {
  issue_load(shared, map, col, row, barrier);
}

template <int kCols>
void wgmma_fence(float (&c)[kCols][4]) {
  fence_accumulators(&c[0][0], 8 * kCols);
}
template <class T, int kCols>
void wgmma(float (&c)[kCols][4], uint64_t a, uint64_t b) {
  static_assert(kCols == 4 || kCols == 16 || kCols == 32);
  issue_wgmma(&c[0][0], 8 * kCols, a, b, [](uint16_t bits) { return to_float(T{bits}); });
}
inline void wgmma_commit() { commit_wgmma(); }
template <int kPending>
void wgmma_wait() {
  wait_wgmma(kPending);
}
template <int kCols>
void wgmma_finish(float (&)[kCols][4]) {
  wait_wgmma(0);
}

}  // namespace mt::MT_TARGET
