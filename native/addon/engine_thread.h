// One thread per environment that runs jobs one after another, and the way of their results back to JavaScript.
#pragma once
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "../base/control.h"

namespace mt::addon {

// One call: run() on the engine thread, result() on the JavaScript thread. Made and destroyed on the JavaScript thread,
// because it holds references to JavaScript values.
class Job {
 public:
  // `control` is an Int32Array of 2 or more on a SharedArrayBuffer: its memory cannot be taken away while we hold it.
  Job(Napi::Env env, Napi::Value control);
  virtual ~Job() = default;

  // No Napi here. Throws mt::Error. Lets go of the model before it returns, so that the last owner frees it here.
  virtual void run(const Control& control) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class EngineThread;

  void run_caught();
  void settle(Napi::Env env);

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference control_owner_;
  Control control_;
  std::exception_ptr error_;
};

// The rules that keep it harmless (design: an AsyncWorker pool starves fs and holds up process.exit):
//  1. The thread-safe function is unreferenced while idle, so it never keeps the process alive.
//  2. stop() runs as the environment's cleanup hook: it cancels the running job, joins, and frees what is queued.
//  3. After stop() a push rejects and a release frees at once.
class EngineThread {
 public:
  explicit EngineThread(Napi::Env env);

  // Queues the job and returns its promise.
  Napi::Promise push(Napi::Env env, std::unique_ptr<Job> job);

  // Destroys the object on the engine thread, after the running job: freeing gigabytes takes a while, and a device's
  // memory is freed by the thread that uses the device.
  void release(std::shared_ptr<void> object);

 private:
  void start();
  void loop();
  void drain(Napi::Env env);
  void stop();

  Napi::ThreadSafeFunction wake_javascript_;
  int unsettled_ = 0;  // JavaScript thread only

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queued_, done_;
  std::vector<std::shared_ptr<void>> released_;
  Job* running_ = nullptr;  // the front of queued_
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace mt::addon
