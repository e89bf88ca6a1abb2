// A job that computes one value on the engine thread. It is for questions whose answer may need a GPU, which the
// JavaScript thread must not wait for.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "engine_thread.h"

namespace mt::addon {

template <class Value>
class ValueJob final : public Job {
 public:
  using Compute = std::function<Value()>;                        // called on the engine thread
  using Convert = Napi::Value (*)(Napi::Env env, const Value&);  // called on the JavaScript thread

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
