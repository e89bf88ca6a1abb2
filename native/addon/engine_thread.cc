// The queue. Everything the two threads share is under one mutex.
#include "engine_thread.h"

#include "javascript.h"

namespace mt::addon {

Job::Job(Napi::Env env, Napi::Value control) : deferred_(Napi::Promise::Deferred::New(env)) {
  int32_t* words = shared_words(control, 2, "control");
  control_owner_ = Napi::Persistent(control.As<Napi::Object>());
  control_ = Control(words);
}

void Job::run_caught() {
  try {
    run(control_);
    control_.report(1, 1);
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Job::settle(Napi::Env env) {
  try {
    if (error_) std::rethrow_exception(error_);
    deferred_.Resolve(result(env));
  } catch (...) {
    deferred_.Reject(error_value(env, std::current_exception()));
  }
}

EngineThread::EngineThread(Napi::Env env) {
  wake_javascript_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "mt-llama engine", 0, 1);
  wake_javascript_.Unref(env);
  // Hooks run in reverse order: this one before the thread-safe function's own.
  env.AddCleanupHook([](EngineThread* self) { self->stop(); }, this);
}

Napi::Promise EngineThread::push(Napi::Env env, std::unique_ptr<Job> job) {
  Napi::Promise promise = job->deferred_.Promise();
  start();
  if (unsettled_++ == 0) wake_javascript_.Ref(env);
  {
    std::lock_guard lock(mutex_);
    queued_.push_back(std::move(job));
  }
  wake_.notify_one();
  return promise;
}

void EngineThread::release(std::shared_ptr<void> object) {
  if (!object) return;
  {
    std::lock_guard lock(mutex_);
    if (stopped_ || !thread_.joinable()) return;
    released_.push_back(std::move(object));
  }
  wake_.notify_one();
}

void EngineThread::start() {
  if (!thread_.joinable() && !stopped_) thread_ = std::thread([this] { loop(); });
}

void EngineThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopped_ || !queued_.empty() || !released_.empty(); });
    if (stopped_) return;
    if (!released_.empty()) {
      std::vector<std::shared_ptr<void>> released = std::move(released_);
      released_.clear();
      lock.unlock();
      released.clear();
      lock.lock();
      continue;
    }
    running_ = queued_.front().get();
    lock.unlock();
    running_->run_caught();
    lock.lock();
    running_ = nullptr;
    if (stopped_) return;
    done_.push_back(std::move(queued_.front()));
    queued_.pop_front();
    wake_javascript_.NonBlockingCall([this](Napi::Env env, Napi::Function) {
      if (static_cast<napi_env>(env) != nullptr) drain(env);
    });
  }
}

void EngineThread::drain(Napi::Env env) {
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::lock_guard lock(mutex_);
      if (done_.empty()) return;
      job = std::move(done_.front());
      done_.pop_front();
    }
    if (--unsettled_ == 0) wake_javascript_.Unref(env);
    job->settle(env);
  }
}

void EngineThread::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    if (running_) running_->control_.cancel();
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  queued_.clear();
  done_.clear();
  released_.clear();
}

}  // namespace mt::addon
