// Runs a grid on the host, one block after another. Every thread of a block is a fiber with a stack of its own.
//
// Behaviour that a GPU leaves undefined shows here: shared memory starts as NaNs, an asynchronous copy fills its target
// with NaNs until it is waited for, and a barrier that not all threads reach ends the launch with an Error that names
// block, thread and barrier. Shared memory is allocated to the byte, so that AddressSanitizer sees accesses outside it.
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

// The order in which threads that can go on do so. A kernel without races gives the same bits in both orders.
enum class Schedule { kForward, kBackward };
void set_schedule(Schedule schedule);
bool threads_run_backwards();

// Sets the major compute capability that the simulated device has from now on, in the calling thread: 8, or 9 to run
// the kernels for Hopper.
void set_compute_capability(int major);
int compute_capability();

// Calls `kernel` in every thread of every block. Throws INTERNAL if threads cannot go on, or if they misuse a function.
void run_grid(const Grid& grid, const std::function<void()>& kernel);

// While one lives, what the calling thread allocates is the simulator's own: a GPU takes no memory for it.
class Simulating {
 public:
  Simulating();
  ~Simulating();
  Simulating(const Simulating&) = delete;
};
bool is_simulating();

// How many 16-byte reads of ldmatrix have fallen on banks that another row of the same matrix used. It is never reset.
int64_t ldmatrix_conflicts();

// ---- for device.h: the running thread's view ----

int current_thread();
int current_block_x();
int current_block_y();
int current_grid_x();
char* current_shared();

void wait_block();
// Waits for all 32 lanes. The last one to come runs `work` on the operands of all, then all go on. Every lane must name
// the same operation.
void meet_warp(const char* operation, void* operands, void (*work)(void* const* lanes));

// The same for the 128 threads of a warpgroup.
void meet_warpgroup(const char* operation, void* operands, void (*work)(void* const* threads));
// Waits until ready(operands). The operands must live until then. describe(operands) completes the message "waits at
// OPERATION" of an Error.
void wait_until(const char* operation, const void* operands, bool (*ready)(const void*),
                std::string (*describe)(const void*));

void issue_copy(void* shared, const void* global, int bytes);
void commit_copies();
void wait_copies(int pending);
void count_conflicts(int rows);

// Ends the launch with an Error that says which thread and why.
[[noreturn]] void fail_thread(const char* reason);

}  // namespace mt::host_device
