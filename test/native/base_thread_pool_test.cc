// The thread pool runs every task once, on valid workers, whatever the number of tasks and threads, asleep or awake.
#include <chrono>
#include <numeric>

#include "../../native/base/thread_pool.h"
#include "check.h"

namespace {

void every_task_runs_once() {
  for (const int threads : {1, 2, 3, 8}) {
    mt::ThreadPool pool(threads);
    CHECK_EQ(pool.threads(), threads);
    for (const int tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      for (int round = 0; round < 50; round++) {
        std::vector<int> runs(tasks, 0);
        std::vector<int> workers(tasks, -1);
        pool.parallel_for(tasks, [&](int task, int worker) {
          runs[task]++;
          workers[task] = worker;
        });
        CHECK_EQ(std::accumulate(runs.begin(), runs.end(), 0), tasks);
        for (int task = 0; task < tasks; task++) {
          CHECK_EQ(runs[task], 1);
          CHECK(workers[task] >= 0 && workers[task] < threads);
        }
      }
    }
  }
}

void threads_that_fell_asleep_wake_up() {
  mt::ThreadPool pool(4);
  for (int round = 0; round < 20; round++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // Each task waits until all four run at once: a thread that stays asleep would hang the test.
    std::atomic<int> running{0};
    pool.parallel_for(4, [&](int, int) {
      running++;
      while (running < 4) std::this_thread::yield();
    });
    CHECK_EQ(running.load(), 4);
  }
}

void the_caller_sleeps_through_a_long_task() {
  mt::ThreadPool pool(2);
  int sum = 0;
  for (int round = 0; round < 10; round++) {
    std::atomic<int> slow{0};
    pool.parallel_for(2, [&](int, int worker) {
      if (worker == 1) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      slow++;
    });
    sum += slow;
  }
  CHECK_EQ(sum, 20);
}

void pools_come_and_go() {
  int total = 0;
  for (int i = 0; i < 200; i++) {
    mt::ThreadPool pool(3);
    std::atomic<int> n{0};
    if (i % 2) pool.parallel_for(5, [&](int, int) { n++; });
    total += n;
  }
  CHECK_EQ(total, 500);
}

}  // namespace

int main() {
  every_task_runs_once();
  threads_that_fell_asleep_wake_up();
  the_caller_sleeps_through_a_long_task();
  pools_come_and_go();
  return mt::test::finish("base_thread_pool");
}
