// A small persistent pool of threads for loops whose steps are independent.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace mt {

// The caller of parallel_for() is one of the threads. Between loops the others spin for some microseconds, then sleep.
class ThreadPool {
 public:
  // `threads` counts the caller: 1 starts no thread. Throws OUT_OF_MEMORY where the system gives no more threads.
  explicit ThreadPool(int threads);
  // Joins. Not during a parallel_for().
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(task, worker) once for each task in 0 .. tasks - 1 and returns when all have returned. Threads take the
  // next task when they are done with one. `worker` is 0 for the caller and below threads(): an index for scratch
  // memory. fn may not throw, nor call parallel_for(). One caller at a time.
  template <class Fn>
  void parallel_for(int tasks, Fn&& fn) {
    using Function = std::remove_reference_t<Fn>;
    run(
        tasks, [](void* context, int task, int worker) { (*static_cast<Function*>(context))(task, worker); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using Call = void (*)(void* context, int task, int worker);

  void run(int tasks, Call call, void* context);
  void work(int worker);
  void stop();
  // Takes a task of the running loop and runs it; false if none is left to take.
  bool run_one(int worker);

  // The loop. Written before state_ announces it; whoever has taken a task may read it until that task is counted.
  Call call_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;

  // High half: number of the loop. Low half: tasks not yet taken. One word, so that a thread that comes late
  // can never take a task of a loop other than the one it looked at.
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<int> finished_{0};

  alignas(64) std::mutex mutex_;
  std::condition_variable wake_workers_;
  std::condition_variable wake_caller_;
  std::atomic<int> sleeping_workers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace mt
