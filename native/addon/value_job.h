// A job that works out one value on the engine thread: what may ask a GPU is not asked on the JavaScript thread.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "engine_thread.h"

namespace mt::addon {

template <class Value>
class ValueJob final : public Job {
 public:
  using Compute = std::function<Value()>;                        // on the engine thread
  using Convert = Napi::Value (*)(Napi::Env env, const Value&);  // on the JavaScript thread

  ValueJob(Napi::Value control, Compute compute, Convert convert)
      : Job(control), compute_(std::move(compute)), convert_(convert) {}

  void run(const Control&) override { value_ = compute_(); }
  Napi::Value result(Napi::Env env) override { return convert_(env, value_); }

 private:
  Compute compute_;
  Convert convert_;
  Value value_ = {};
};

}  // namespace mt::addon
