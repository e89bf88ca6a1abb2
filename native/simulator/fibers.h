// Runs a grid on the host: every thread of a block is a fiber with a stack of its own, one block after another.
//
// What a GPU would leave undefined shows here: shared memory starts as NaNs, an asynchronous copy fills its target with
// NaNs until it is waited for, and a barrier that not all reach ends the launch with an Error naming block, thread and
// barrier. Shared memory is allocated to the byte, so that AddressSanitizer sees what lies outside.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace mt::host_device {

struct Grid {
  int x = 1;
  int y = 1;
  int threads = 0;  // a multiple of 32
  size_t shared = 0;
};

// In which order runnable threads go on; a kernel without races gives the same bits in each.
enum class Schedule { kForward, kBackward };
void set_schedule(Schedule schedule);
bool threads_run_backwards();

// The major compute capability that the host device has from now on, in this thread: 8, or 9 for the kernels for
// Hopper.
void set_compute_capability(int major);
int compute_capability();

// Calls `kernel` in every thread of every block. Throws Error (INTERNAL) where threads cannot go on or misuse a
// function.
void run_grid(const Grid& grid, const std::function<void()>& kernel);

// How many 16-byte shared memory reads of ldmatrix fell on banks that another row of the same matrix used. Counts up.
int64_t ldmatrix_conflicts();

// ---- for device.h: what the running thread sees ----

int current_thread();
int current_block_x();
int current_block_y();
int current_grid_x();
char* current_shared();

void wait_block();
// Waits for all 32 lanes; the last to come runs `work` over their operands, then all go on. Every lane must name the
// same operation.
void meet_warp(const char* operation, void* operands, void (*work)(void* const* lanes));

// The same for the 128 threads of a warpgroup.
void meet_warpgroup(const char* operation, void* operands, void (*work)(void* const* threads));
// Waits until `ready` says so of the operands, which live as long; `describe` says what for, after "waits at
// OPERATION".
void wait_until(const char* operation, const void* operands, bool (*ready)(const void*),
                std::string (*describe)(const void*));

void issue_copy(void* shared, const void* global, int bytes);
void commit_copies();
void wait_copies(int pending);
void count_conflicts(int rows);

// Ends the launch with an Error that says which thread and why.
[[noreturn]] void fail_thread(const char* reason);

}  // namespace mt::host_device
