// Fibers: a few instructions switch stacks, and a scheduler hands over to the next thread that can go on.
#include "fibers.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../base/error.h"
#include "async.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__) || defined(MT_FIBERS_UCONTEXT)
#include <ucontext.h>
#define MT_UCONTEXT 1
#endif

namespace mt::host_device {
namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr int kPoison = 0xff;  // a NaN in float32, bf16 and f16
constexpr size_t kSharedAlignment = 1024, kSharedOffset = kSharedBase % kSharedAlignment;
constexpr uint64_t kCanary = 0x9e3779b97f4a7c15u;

struct Context {
#ifdef MT_UCONTEXT
  ucontext_t saved;
#else
  void* stack_pointer;
#endif
  char* stack = nullptr;  // its lowest address; for the main context the one that AddressSanitizer tells
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
};

struct Copy {
  void* shared;
  const void* global;
  int bytes;
};

// A place where `size` threads meet. `generation` is counted up when all have come.
struct Meeting {
  int size = 0;
  int arrived = 0;
  uint64_t generation = 0;
  const char* operation = nullptr;
  void* operands[128] = {};
};

// A condition that one thread waits for on its own.
struct Condition {
  const void* operands = nullptr;
  bool (*ready)(const void*) = nullptr;
  std::string (*describe)(const void*) = nullptr;
};

struct Fiber {
  Context context;
  bool done = false;
  const char* operation = nullptr;  // the name of the function in which it waits
  const Meeting* meeting = nullptr;
  uint64_t generation = 0;
  const Condition* condition = nullptr;
  std::vector<Copy> copies;    // copies in flight, the oldest first
  std::vector<size_t> groups;  // copies in each committed group
  size_t uncommitted = 0;
};

struct Block {
  Grid grid;
  int x = 0, y = 0;
  char* shared = nullptr;
  const std::function<void()>* kernel = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Meeting> warps, warpgroups;
  Meeting all;
  Context main;
  int current = 0;
  int left = 0;
  std::string error;
};

thread_local Block* block = nullptr;
thread_local Schedule schedule = Schedule::kForward;
thread_local int64_t conflicts = 0;
thread_local int capability = 8;
thread_local int simulating = 0;

#ifndef MT_UCONTEXT
extern "C" void mt_switch_stacks(void** from, void* to);
asm(R"(.text
.type mt_switch_stacks, @function
mt_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mt_switch_stacks, . - mt_switch_stacks
)");
#endif

void switch_context(Context& from, Context& to, [[maybe_unused]] bool from_ends) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack, to.stack, to.stack_bytes);
#endif
#ifdef MT_UCONTEXT
  swapcontext(&from.saved, &to.saved);
#else
  mt_switch_stacks(&from.stack_pointer, to.stack_pointer);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

bool runnable(const Fiber& f) {
  if (f.done || (f.meeting && f.meeting->generation == f.generation)) return false;
  return !f.condition || f.condition->ready(f.condition->operands);
}

// Returns the next thread that can go on, or null.
Fiber* find_runnable() {
  const int n = block->grid.threads;
  const int step = schedule == Schedule::kForward ? 1 : n - 1;
  int i = block->current;
  for (int tried = 0; tried < n; tried++) {
    i += step;
    if (i >= n) i -= n;
    if (runnable(block->fibers[i])) {
      block->current = i;
      return &block->fibers[i];
    }
  }
  return nullptr;
}

// The same, but completes loads in flight if no thread can go on without.
Fiber* next_runnable() {
  Fiber* next = find_runnable();
  while (!next && block->left > 0 && land_load(threads_run_backwards())) next = find_runnable();
  return next;
}

// Switches from the running thread to one that can go on, or to run_block() if none can.
void leave(Fiber& from) {
  const bool ends = from.done || !block->error.empty();
  Fiber* to = block->error.empty() ? next_runnable() : nullptr;
  if (to == &from) return;
  switch_context(from.context, to ? to->context : block->main, ends);
}

void wait_for(Fiber& fiber, const Meeting& meeting, const char* operation) {
  fiber.meeting = &meeting;
  fiber.generation = meeting.generation;
  fiber.operation = operation;
  leave(fiber);
  fiber.meeting = nullptr;
}

void land(Fiber& fiber, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const Copy& c = fiber.copies[i];
    std::memcpy(c.shared, c.global, c.bytes);
    std::memset(static_cast<char*>(c.shared) + c.bytes, 0, 16 - c.bytes);
  }
  fiber.copies.erase(fiber.copies.begin(), fiber.copies.begin() + static_cast<ptrdiff_t>(count));
}

Fiber& running() { return block->fibers[block->current]; }

void enter_fiber() {
#if defined(__SANITIZE_ADDRESS__)
  const void* stack;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &stack, &bytes);
  if (!block->main.stack) {  // this is the first switch, so it came from the main stack
    block->main.stack = static_cast<char*>(const_cast<void*>(stack));
    block->main.stack_bytes = bytes;
  }
#endif
  (*block->kernel)();
  Fiber& fiber = running();
  if (!fiber.copies.empty()) fail_thread("the thread ends with asynchronous copies in flight");
  if (const char* wrong = end_async_thread(block->current)) fail_thread(wrong);
  fiber.done = true;
  block->left--;
  leave(fiber);
  __builtin_unreachable();
}

void prepare(Fiber& fiber, char* stack) {
  fiber = {};
  fiber.context.stack = stack;
  fiber.context.stack_bytes = kStackBytes;
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack, kStackBytes);
#endif
  std::memcpy(stack, &kCanary, sizeof kCanary);
#ifdef MT_UCONTEXT
  getcontext(&fiber.context.saved);
  fiber.context.saved.uc_stack.ss_sp = stack;
  fiber.context.saved.uc_stack.ss_size = kStackBytes;
  fiber.context.saved.uc_link = nullptr;
  makecontext(&fiber.context.saved, enter_fiber, 0);
#else
  // The stack looks as if enter_fiber were about to be called: six registers to pop, then its address to return to, and
  // an alignment of 8 bytes off a multiple of 16 after that.
  void** top = reinterpret_cast<void**>(stack + kStackBytes - 64) - 1;
  *--top = reinterpret_cast<void*>(enter_fiber);
  top -= 6;
  std::memset(top, 0, 6 * sizeof *top);
  fiber.context.stack_pointer = top;
#endif
}

std::string place(int thread) {
  return "block (" + std::to_string(block->x) + ", " + std::to_string(block->y) + ") thread " + std::to_string(thread);
}

// The running thread joins the meeting. The last thread to come does the work.
void meet(Meeting& meeting, const char* who, const char* operation, void* operands, void (*work)(void* const*)) {
  const int thread = block->current;
  if (meeting.arrived > 0 && std::strcmp(meeting.operation, operation) != 0) {
    // fail_thread() would leak a string made for it, because the stack of this thread is never unwound.
    block->error =
        place(thread) + ": " + operation + " while another thread of its " + who + " is at " + meeting.operation;
    leave(running());
    __builtin_unreachable();
  }
  meeting.operation = operation;
  meeting.operands[thread % meeting.size] = operands;
  if (++meeting.arrived == meeting.size) {
    work(meeting.operands);
    meeting.arrived = 0;
    meeting.generation++;
    return;
  }
  wait_for(block->fibers[thread], meeting, operation);
}

std::string describe_deadlock() {
  for (int i = 0; i < block->grid.threads; i++) {
    const Fiber& f = block->fibers[i];
    if (f.done) continue;
    const std::string waits = place(i) + " waits at " + f.operation;
    if (f.condition) return waits + " " + f.condition->describe(f.condition->operands);
    return waits + ": " + std::to_string(f.meeting->arrived) + " of " + std::to_string(f.meeting->size) +
           " threads have come, " + std::to_string(block->grid.threads - block->left) + " of the block have ended";
  }
  return "no thread can go on";
}

void run_block(char* stacks) {
  block->all = {.size = block->grid.threads};
  block->warps.assign(block->grid.threads / 32, {.size = 32});
  block->warpgroups.assign(block->grid.threads / 128, {.size = 128});
  for (int i = 0; i < block->grid.threads; i++) prepare(block->fibers[i], stacks + i * kStackBytes);
  block->left = block->grid.threads;
  block->current = schedule == Schedule::kForward ? 0 : block->grid.threads - 1;
  switch_context(block->main, running().context, false);
  if (!block->error.empty()) throw Error(ErrorCode::INTERNAL, block->error);
  if (block->left > 0) throw Error(ErrorCode::INTERNAL, describe_deadlock());
  if (const char* wrong = end_async_block())
    throw Error(ErrorCode::INTERNAL,
                "block (" + std::to_string(block->x) + ", " + std::to_string(block->y) + "): " + wrong);
  for (int i = 0; i < block->grid.threads; i++)
    if (std::memcmp(stacks + i * kStackBytes, &kCanary, sizeof kCanary) != 0)
      throw Error(ErrorCode::INTERNAL, place(i) + " overran its stack of " + std::to_string(kStackBytes) + " bytes");
}

// Shared memory that a block may have, in bytes: the least that any GPU of 8.x gives (8.6 and 8.9), or Hopper's.
size_t max_shared() { return (capability == 9 ? 227 : 99) << 10; }

}  // namespace

void set_schedule(Schedule s) { schedule = s; }
bool threads_run_backwards() { return schedule == Schedule::kBackward; }
void set_compute_capability(int major) { capability = major; }
int compute_capability() { return capability; }
Simulating::Simulating() { simulating++; }
Simulating::~Simulating() { simulating--; }
bool is_simulating() { return simulating > 0; }
int64_t ldmatrix_conflicts() { return conflicts; }

void run_grid(const Grid& grid, const std::function<void()>& kernel) {
  if (grid.threads < 32 || grid.threads > 1024 || grid.threads % 32 || grid.x < 1 || grid.y < 1 || grid.y > 65535)
    throw Error(ErrorCode::INTERNAL, "a launch of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) +
                                         " blocks of " + std::to_string(grid.threads) + " threads");
  if (grid.shared > max_shared())
    throw Error(ErrorCode::INTERNAL, "a launch with " + std::to_string(grid.shared) +
                                         " bytes of shared memory, of which a block has at most " +
                                         std::to_string(max_shared()));
  const Simulating simulating_now;
  thread_local std::unique_ptr<char[]> stacks;
  thread_local size_t stack_count = 0;
  if (stack_count < static_cast<size_t>(grid.threads)) {
    stacks.reset(new char[grid.threads * kStackBytes]);
    stack_count = grid.threads;
  }
  Block b;
  b.grid = grid;
  b.kernel = &kernel;
  b.fibers.resize(grid.threads);
  struct Running {
    explicit Running(Block* b) { block = b; }
    ~Running() { block = nullptr; }
  } guard(&b);
  for (b.y = 0; b.y < grid.y; b.y++) {
    for (b.x = 0; b.x < grid.x; b.x++) {
      // Every block gets new memory, so that it cannot read what another one left. The memory is aligned to no more
      // than kernels may rely on.
      const std::unique_ptr<char[], void (*)(char*)> memory(
          static_cast<char*>(::operator new(kSharedOffset + grid.shared, std::align_val_t{kSharedAlignment})),
          [](char* p) { ::operator delete(p, std::align_val_t{kSharedAlignment}); });
      b.shared = memory.get() + kSharedOffset;
#if defined(__SANITIZE_ADDRESS__)
      ASAN_POISON_MEMORY_REGION(memory.get(), kSharedOffset);
#endif
      std::memset(b.shared, kPoison, grid.shared);
      begin_async_block(b.shared, grid.shared, grid.threads);
      run_block(stacks.get());
    }
  }
}

int current_thread() { return block->current; }
int current_block_x() { return block->x; }
int current_block_y() { return block->y; }
int current_grid_x() { return block->grid.x; }
char* current_shared() { return block->shared; }

void wait_block() {
  Meeting& all = block->all;
  if (++all.arrived == block->grid.threads) {
    all.arrived = 0;
    all.generation++;
    return;
  }
  wait_for(running(), all, "sync_block");
}

void meet_warp(const char* operation, void* operands, void (*work)(void* const*)) {
  meet(block->warps[block->current / 32], "warp", operation, operands, work);
}

void meet_warpgroup(const char* operation, void* operands, void (*work)(void* const*)) {
  const size_t group = block->current / 128;
  if (group >= block->warpgroups.size()) fail_thread("the block has no whole warpgroup of this thread");
  meet(block->warpgroups[group], "warpgroup", operation, operands, work);
}

void wait_until(const char* operation, const void* operands, bool (*ready)(const void*),
                std::string (*describe)(const void*)) {
  if (ready(operands)) return;
  const Condition condition = {operands, ready, describe};
  Fiber& fiber = running();
  fiber.condition = &condition;
  fiber.operation = operation;
  leave(fiber);
  fiber.condition = nullptr;
}

void issue_copy(void* shared, const void* global, int bytes) {
  Fiber& fiber = running();
  std::memset(shared, kPoison, 16);
  fiber.copies.push_back({shared, global, bytes});
  fiber.uncommitted++;
}

void commit_copies() {
  Fiber& fiber = running();
  fiber.groups.push_back(fiber.uncommitted);
  fiber.uncommitted = 0;
}

void wait_copies(int pending) {
  Fiber& fiber = running();
  while (fiber.groups.size() > static_cast<size_t>(pending)) {
    land(fiber, fiber.groups.front());
    fiber.groups.erase(fiber.groups.begin());
  }
}

void count_conflicts(int rows) { conflicts += rows; }

void fail_thread(const char* reason) {
  block->error = place(block->current) + ": " + reason;
  leave(running());
  __builtin_unreachable();
}

}  // namespace mt::host_device
