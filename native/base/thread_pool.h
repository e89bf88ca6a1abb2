// A small persistent pool of threads for loops whose steps are independent.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace mt {

// The caller of parallel_for() is one of the threads. Between loops the others spin for some microseconds, then sleep.
class ThreadPool {
 public:
  // `threads` counts the caller: 1 starts no thread. Throws OUT_OF_MEMORY where the system gives no more threads, or
  // std::bad_alloc.
  explicit ThreadPool(int threads);
  // Joins. Not during a parallel_for().
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls fn(task, worker) once for each task in 0 .. tasks - 1 and returns when all have returned. `worker` is 0 for
  // the caller and below threads(): an index for scratch memory. Each worker starts with its own share of the tasks, an
  // equal run of neighbours, in ascending order, and then takes from the others': loops over the same rows find them in
  // the cache of the core that last wrote them. fn may not call parallel_for(). One caller at a time.
  //
  // Where fn throws, tasks that have not begun are left out, and the first exception is thrown again here, once all
  // tasks that have begun have ended. The pool is then as before.
  template <class Fn>
  void parallel_for(int tasks, Fn&& fn) {
    using Function = std::remove_reference_t<Fn>;
    run(
        tasks, [](void* context, int task, int worker) { (*static_cast<Function*>(context))(task, worker); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using Call = void (*)(void* context, int task, int worker);

  // The tasks of one worker. High half: number of the loop. Low half: tasks not yet taken. One word, so that a thread
  // that comes late can never take a task of a loop other than the one it looked at.
  struct alignas(64) Share {
    std::atomic<uint64_t> state{0};
  };

  void run(int tasks, Call call, void* context);
  void work(int worker);
  void stop();
  // Runs tasks until none is left to take: the worker's own first, then the others'.
  void run_tasks(int worker);
  // Runs a task that has been taken, unless one has thrown already.
  void run_taken(int task, int worker) noexcept;
  // Throws what a task has thrown, if one has.
  void rethrow();
  // Takes a task of this share and runs it; false if none is left to take.
  bool run_one(int share, int worker);
  int first_task(int share, int tasks) const { return static_cast<int>(int64_t{tasks} * share / threads()); }

  // The loop. Written before a share announces it; whoever has taken a task may read it until that task is counted.
  Call call_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;

  std::vector<Share> shares_;                  // one a worker
  alignas(64) std::atomic<uint32_t> loop_{0};  // number of the loop whose shares have all been announced
  alignas(64) std::atomic<int> finished_{0};   // tasks taken and done with
  std::atomic<bool> failed_{false};            // a task of this loop has thrown
  std::exception_ptr error_;                   // written by the first task that throws, read once all have finished

  alignas(64) std::mutex mutex_;
  std::condition_variable wake_workers_;
  std::condition_variable wake_caller_;
  std::atomic<int> sleeping_workers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace mt
