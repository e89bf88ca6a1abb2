// One thread per environment, which runs jobs one after another and hands their results back to JavaScript.
#pragma once
#include <napi.h>

#include <condition_variable>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "../base/control.h"

namespace mt::addon {

// One call from JavaScript: run() on the engine thread, result() on the JavaScript thread. A job is made and destroyed
// on the JavaScript thread, because it holds references to JavaScript values.
class Job {
 public:
  // `control` is an Int32Array of 2 or more elements on a SharedArrayBuffer, whose memory stays while the job holds it.
  // An urgent job goes before the others that wait.
  explicit Job(Napi::Value control, bool is_urgent = false);
  // A job that is neither cancelled nor watched.
  Job() = default;
  virtual ~Job() = default;

  // Must not use Napi. Throws mt::Error. Gives up its share of the model before it returns, so that a model whose last
  // owner is the job is freed on the engine thread.
  virtual void run(const Control& control) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class EngineThread;

  void run_caught();
  void settle(Napi::Env env);

  std::optional<Napi::Promise::Deferred> deferred_;  // made once nothing can keep the job from being queued
  Napi::ObjectReference control_owner_;
  Control control_;
  bool is_urgent_ = false;
  bool was_passed_ = false;  // by an urgent job
  std::exception_ptr error_;
};

// Napi's own AsyncWorker is not used, because its pool starves fs and holds up process.exit. The rules that keep this
// thread from harming the process are:
//  1. The thread-safe function is unreferenced while idle, so it never keeps the process alive.
//  2. stop() runs as the environment's cleanup hook: it cancels the running job, joins the thread, and frees the jobs
//     that are queued.
//  3. After stop(), push() throws and release() frees at once.
//  4. A place in a queue is a node of a list, made on the JavaScript thread before there is a promise. From then on the
//     node is moved from list to list, so a job that is under way cannot fail because its queue finds no memory.
class EngineThread {
 public:
  using Objects = std::list<std::shared_ptr<void>>;

  explicit EngineThread(Napi::Env env);

  // Queues the job and returns its promise. Jobs run in the order of their calls, but an urgent one passes those that
  // wait and have not been passed yet, so that every job gets its turn. Throws ABORTED after stop(), and OUT_OF_MEMORY;
  // then there is no promise.
  Napi::Promise push(Napi::Env env, std::unique_ptr<Job> job);

  // Destroys the objects on the engine thread, after the running job: freeing gigabytes takes a while, and a device's
  // memory is freed by the thread that uses the device.
  void release(Objects objects) noexcept;

 private:
  void start();
  void loop();
  void drain(Napi::Env env);
  void stop();
  std::list<std::unique_ptr<Job>>::iterator place_of(const Job& job);
  static void drain_woken(Napi::Env env, Napi::Function, EngineThread* self, void*);

  // Calls of this function carry no data, because a callback for each call would take memory on the engine thread.
  Napi::TypedThreadSafeFunction<EngineThread, void, drain_woken> wake_javascript_;
  int unsettled_ = 0;  // promises that are not settled; only the JavaScript thread uses it

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<std::unique_ptr<Job>> queued_, done_;
  Objects released_;
  Job* running_ = nullptr;  // the front of queued_
  bool stopped_ = false;
  std::thread thread_;
};

// What can be given up: see EngineOwned.
class Releasable {
 public:
  virtual ~Releasable() = default;
  virtual void release() noexcept = 0;
};

// JavaScript's share of an object that the engine thread is to destroy. Giving it up takes no memory.
template <class T>
class EngineOwned final : public Releasable {
 public:
  EngineOwned(std::shared_ptr<EngineThread> engine, std::shared_ptr<T> object) : engine_(std::move(engine)) {
    place_.push_back(std::move(object));
  }
  EngineOwned(const EngineOwned&) = delete;
  ~EngineOwned() override { release(); }

  const std::shared_ptr<EngineThread>& engine() const { return engine_; }
  // Null after release().
  std::shared_ptr<T> get() const { return place_.empty() ? nullptr : std::static_pointer_cast<T>(place_.front()); }
  void release() noexcept override { engine_->release(std::exchange(place_, {})); }

 private:
  std::shared_ptr<EngineThread> engine_;
  EngineThread::Objects place_;  // a list of the object alone, empty after release()
};

}  // namespace mt::addon
