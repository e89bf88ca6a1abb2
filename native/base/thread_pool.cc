// A thread takes a task by decrementing a word. A thread that goes to sleep first says so and then looks for work once
// more, so that whoever brings work either sees the sleeper or is seen by it.
#include "thread_pool.h"

#include <string>
#include <system_error>
#include <utility>

#include "error.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace mt {
namespace {

// Turns of a waiting loop before a thread sleeps, about 30 microseconds: longer than the gap between two ops of a
// forward pass, and too short to keep a core from other programs.
constexpr int kSpins = 1000;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Done>
bool spin_until(Done done) {
  for (int i = 0; i < kSpins; i++) {
    if (done()) return true;
    pause();
  }
  return false;
}

constexpr uint32_t untaken(uint64_t state) { return static_cast<uint32_t>(state); }

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(threads) {
  try {
    for (int worker = 1; worker < threads; worker++) workers_.emplace_back([this, worker] { work(worker); });
  } catch (const std::system_error& error) {
    stop();
    throw Error(ErrorCode::OUT_OF_MEMORY, "starting thread " + std::to_string(workers_.size() + 1) + " of " +
                                              std::to_string(threads) + ": " + error.what());
  } catch (...) {  // no memory: a thread that runs must be joined before it is destroyed
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_workers_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int tasks, Call call, void* context) {
  if (tasks <= 0) return;
  if (workers_.empty() || tasks == 1) {
    for (int task = 0; task < tasks; task++) call(context, task, 0);
    return;
  }
  call_ = call;
  context_ = context;
  tasks_ = tasks;
  finished_.store(0, std::memory_order_relaxed);
  const uint32_t loop = loop_.load(std::memory_order_relaxed) + 1;
  for (int share = 0; share < threads(); share++) {
    const auto count = static_cast<uint32_t>(first_task(share + 1, tasks) - first_task(share, tasks));
    shares_[share].state.store(uint64_t{loop} << 32 | count, std::memory_order_release);
  }
  loop_ = loop;
  // A worker counts itself as sleeping before it looks at loop_ for the last time, and here loop_ is written before the
  // count is read. So either the worker sees the new loop, or this thread sees the sleeping worker.
  if (sleeping_workers_ > 0) {
    { std::lock_guard lock(mutex_); }
    wake_workers_.notify_all();
  }
  run_tasks(0);
  const auto all_finished = [this] { return finished_.load(std::memory_order_acquire) == tasks_; };
  if (!spin_until(all_finished)) {
    std::unique_lock lock(mutex_);
    caller_sleeps_ = true;
    wake_caller_.wait(lock, [this] { return finished_ == tasks_; });
    caller_sleeps_ = false;
  }
  rethrow();
}

void ThreadPool::run_tasks(int worker) {
  for (int i = 0; i < threads(); i++)
    while (run_one((worker + i) % threads(), worker)) {
    }
}

bool ThreadPool::run_one(int share, int worker) {
  std::atomic<uint64_t>& shared = shares_[share].state;
  uint64_t state = shared.load(std::memory_order_acquire);
  do {
    if (untaken(state) == 0) return false;
  } while (!shared.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel, std::memory_order_acquire));
  const int tasks = tasks_;
  run_taken(first_task(share + 1, tasks) - static_cast<int>(untaken(state)), worker);
  // Once the last task is counted the caller may return, so nothing of the loop is read after this.
  if (finished_.fetch_add(1) + 1 == tasks && caller_sleeps_) {
    { std::lock_guard lock(mutex_); }
    wake_caller_.notify_one();
  }
  return true;
}

void ThreadPool::run_taken(int task, int worker) noexcept {
  if (failed_.load(std::memory_order_relaxed)) return;
  try {
    call_(context_, task, worker);
  } catch (...) {
    if (!failed_.exchange(true)) error_ = std::current_exception();
  }
}

void ThreadPool::rethrow() {
  if (!failed_.load(std::memory_order_relaxed)) return;
  failed_.store(false, std::memory_order_relaxed);
  std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work(int worker) {
  uint32_t seen = 0;
  const auto has_work = [&] { return loop_.load(std::memory_order_acquire) != seen || stop_; };
  while (!stop_) {
    seen = loop_.load(std::memory_order_acquire);
    run_tasks(worker);
    if (spin_until(has_work)) continue;
    std::unique_lock lock(mutex_);
    sleeping_workers_++;
    wake_workers_.wait(lock, [&] { return loop_ != seen || stop_; });
    sleeping_workers_--;
  }
}

}  // namespace mt
