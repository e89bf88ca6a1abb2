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
  // `threads` counts the caller: 1 starts no thread. Throws OUT_OF_MEMORY if the system gives no more threads, and
  // std::bad_alloc if memory runs out.
  explicit ThreadPool(int threads);
  // Joins the threads. No parallel_for() may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls fn(task, worker) once for each task in 0 .. tasks - 1 and returns when all calls have returned. `worker` is
  // an index for scratch memory: 0 for the caller, below threads() for all. Each worker starts with its own share of
  // the tasks, an equal run of neighbours in ascending order, and then takes tasks from the shares of others. So loops
  // over the same rows find them in the cache of the core that last wrote them. fn may not call parallel_for(), and
  // only one thread at a time may.
  //
  // If fn throws, tasks that have not begun are skipped, and the first exception is thrown again here once all tasks
  // that have begun have ended. The pool can then be used as before.
  template <class Fn>
  void parallel_for(int tasks, Fn&& fn) {
    using Function = std::remove_reference_t<Fn>;
    run(
        tasks, [](void* context, int task, int worker) { (*static_cast<Function*>(context))(task, worker); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

 private:
  using Call = void (*)(void* context, int task, int worker);

  // The tasks of one worker. The high half of the state is the number of the loop, the low half counts the tasks that
  // nobody has taken yet. They share one word, so that a thread that comes late can never take a task of another loop
  // than the one it looked at.
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
  // Takes a task of this share and runs it. Returns false if none is left to take.
  bool run_one(int share, int worker);
  int first_task(int share, int tasks) const { return static_cast<int>(int64_t{tasks} * share / threads()); }

  // The loop that runs. It is written before a share announces it; whoever has taken a task may read it until that task
  // is counted in finished_.
  Call call_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;

  std::vector<Share> shares_;                  // one for each worker
  alignas(64) std::atomic<uint32_t> loop_{0};  // number of the loop whose shares have all been announced
  alignas(64) std::atomic<int> finished_{0};   // tasks that have been taken and have run or been skipped
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
