// The thread pool runs every task once, on valid workers, whatever the number of tasks and threads, asleep or awake;
// what a task throws reaches the caller, and the pool goes on.
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>

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

// The message of what parallel_for() throws, "" where it throws nothing.
template <class Fn>
std::string thrown_by(mt::ThreadPool& pool, int tasks, Fn fn) {
  try {
    pool.parallel_for(tasks, fn);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

void what_a_task_throws_reaches_the_caller() {
  for (const int threads : {1, 2, 3, 8}) {
    mt::ThreadPool pool(threads);
    for (const int tasks : {1, 2, 7, 64, 1000}) {
      for (const int bad : {0, tasks / 2, tasks - 1}) {
        std::atomic<int> begun{0}, ended{0};
        const std::string message = thrown_by(pool, tasks, [&](int task, int) {
          begun++;
          if (task == bad) throw std::runtime_error("task " + std::to_string(task));
          ended++;
        });
        CHECK_EQ(message, "task " + std::to_string(bad));
        CHECK_EQ(begun - ended, 1);  // nothing still runs
        // The next loop runs all its tasks and throws nothing.
        std::atomic<int> runs{0};
        CHECK_EQ(thrown_by(pool, tasks, [&](int, int) { runs++; }), "");
        CHECK_EQ(runs.load(), tasks);
      }
    }
  }
}

void one_of_many_exceptions_wins_and_later_tasks_are_left_out() {
  mt::ThreadPool pool(4);
  for (int round = 0; round < 200; round++) {
    std::atomic<int> thrown{0};
    const std::string message = thrown_by(pool, 400, [&](int task, int) {
      thrown++;
      throw std::runtime_error(std::to_string(task));
    });
    CHECK(!message.empty() && std::stoi(message) >= 0 && std::stoi(message) < 400);
    CHECK(thrown >= 1 && thrown <= 4);  // a thread that has thrown begins no other
  }
}

}  // namespace

int main() {
  every_task_runs_once();
  threads_that_fell_asleep_wake_up();
  the_caller_sleeps_through_a_long_task();
  pools_come_and_go();
  what_a_task_throws_reaches_the_caller();
  one_of_many_exceptions_wins_and_later_tasks_are_left_out();
  return mt::test::finish("base_thread_pool");
}
