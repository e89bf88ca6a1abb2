// What a block of the host device layer has in flight on Hopper: barriers in shared memory, TMA loads, wgmma.
//
// Mistakes show: a load's target holds NaNs from its issue until it lands, which is as late as can be, when no thread
// can go on otherwise; accumulators hold NaNs from wgmma to the wait, and it is an error to have changed them since the
// fence, or the operands meanwhile. Barriers are checked at every use: not initialised, initialised without the fence,
// one arrival too many. A wait that nothing can answer ends the launch with an Error naming block, thread and barrier.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "../backend/cuda/device/tensor_map.h"

namespace mt::host_device {

// ---- for fibers.cc ----

// `shared` has the address kSharedBase on the device.
constexpr uint32_t kSharedBase = 1024 + 128;
void begin_async_block(char* shared, size_t bytes, int threads);
// Completes one load in flight; false where there is none.
bool land_load(bool newest);
// What is wrong with ending now, or null.
const char* end_async_thread(int thread);
const char* end_async_block();

// ---- for device_sm90.h ----

uint32_t address_of_shared(const void* p);

void init_mbarrier(uint64_t* barrier, int count);
void fence_mbarriers();
void arrive_mbarrier(uint64_t* barrier, int expected_bytes);
void wait_mbarrier(uint64_t* barrier, uint32_t parity);

void issue_load(void* shared, const TensorMap& map, int col, int row, uint64_t* barrier);

// c [n / 8][4] of the running thread.
void fence_accumulators(const float* c, int n);
// c [n / 8][4] of every thread of the warpgroup; widen says what number 16 bits are.
void issue_wgmma(float* c, int n, uint64_t a, uint64_t b, float (*widen)(uint16_t));
void commit_wgmma();
void wait_wgmma(int pending);

}  // namespace mt::host_device
