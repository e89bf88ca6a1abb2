// The queue of jobs. One mutex guards everything that the two threads share.
#include "engine_thread.h"

#include <string>
#include <system_error>

#include "javascript.h"

namespace mt::addon {

Job::Job(Napi::Value control, bool is_urgent) : is_urgent_(is_urgent) {
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
    deferred_->Resolve(result(env));
  } catch (...) {
    deferred_->Reject(error_value(env, std::current_exception()));
  }
}

EngineThread::EngineThread(Napi::Env env) {
  wake_javascript_ = decltype(wake_javascript_)::New(env, "mt-llama engine", 0, 1, this);
  wake_javascript_.Unref(env);
  // Cleanup hooks run in reverse order, so this one runs before that of the thread-safe function.
  env.AddCleanupHook([](EngineThread* self) { self->stop(); }, this);
}

Napi::Promise EngineThread::push(Napi::Env env, std::unique_ptr<Job> job) {
  start();
  std::list<std::unique_ptr<Job>> place;
  place.push_back(std::move(job));
  if (unsettled_ == 0) wake_javascript_.Ref(env);
  auto& deferred = place.front()->deferred_;
  deferred = Napi::Promise::Deferred::New(env);
  const Napi::Promise promise = deferred->Promise();
  unsettled_++;
  {
    std::lock_guard lock(mutex_);
    queued_.splice(place_of(*place.front()), place);
  }
  wake_.notify_one();
  return promise;
}

// Where a new job goes among those that are queued.
std::list<std::unique_ptr<Job>>::iterator EngineThread::place_of(const Job& job) {
  auto place = queued_.end();
  if (!job.is_urgent_) return place;
  for (; place != queued_.begin(); --place) {
    Job& before = **std::prev(place);
    if (&before == running_ || before.is_urgent_ || before.was_passed_) break;
    before.was_passed_ = true;
  }
  return place;
}

void EngineThread::release(Objects objects) noexcept {
  if (objects.empty()) return;
  {
    std::lock_guard lock(mutex_);
    if (stopped_ || !thread_.joinable()) return;
    released_.splice(released_.end(), objects);
  }
  wake_.notify_one();
}

void EngineThread::start() {
  if (stopped_) throw Error(ErrorCode::ABORTED, "the environment has ended");
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::OUT_OF_MEMORY, std::string("starting the engine thread: ") + error.what());
  }
}

void EngineThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopped_ || !queued_.empty() || !released_.empty(); });
    if (stopped_) return;
    if (!released_.empty()) {
      Objects released;
      released.swap(released_);
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
    done_.splice(done_.end(), queued_, queued_.begin());
    wake_javascript_.NonBlockingCall();
  }
}

void EngineThread::drain_woken(Napi::Env env, Napi::Function, EngineThread* self, void*) {
  if (static_cast<napi_env>(env) != nullptr) self->drain(env);
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
