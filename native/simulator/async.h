// The asynchronous parts of Hopper in the simulator, for one block: barriers in shared memory, TMA loads, wgmma.
//
// Mistakes show. The target of a load holds NaNs until the load is done, which is as late as possible: when no thread
// can go on without it. Accumulators hold NaNs from wgmma to the wait. It is an error if they were changed between the
// fence and the wait, or if the operands were changed before the wait. Every use of a barrier checks that it is
// initialised and fenced, and that no more arrivals come than it expects. A wait that nothing can end is an Error that
// names block, thread and barrier.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "../backend/cuda/device/tensor_map.h"

namespace mt::host_device {

// ---- for fibers.cc ----

// `shared` is the block's shared memory; kernels see it at address kSharedBase.
constexpr uint32_t kSharedBase = 1024 + 128;
void begin_async_block(char* shared, size_t bytes, int threads);
// Completes the newest or the oldest load in flight. Returns false if there is none.
bool land_load(bool newest);
// Return what is wrong if the thread or the block ends now, or null.
const char* end_async_thread(int thread);
const char* end_async_block();

// ---- for device_sm90.h ----

uint32_t address_of_shared(const void* p);

void init_mbarrier(uint64_t* barrier, int count);
void fence_mbarriers();
void arrive_mbarrier(uint64_t* barrier, int expected_bytes);
void wait_mbarrier(uint64_t* barrier, uint32_t parity);

void issue_load(void* shared, const TensorMap& map, int col, int row, uint64_t* barrier);

// c [n / 8][4] is the running thread's.
void fence_accumulators(const float* c, int n);
// Every thread of the warpgroup calls it with its own c [n / 8][4]. `widen` converts 16 bits to the number they stand
// for.
void issue_wgmma(float* c, int n, uint64_t a, uint64_t b, float (*widen)(uint16_t));
void commit_wgmma();
void wait_wgmma(int pending);

}  // namespace mt::host_device
