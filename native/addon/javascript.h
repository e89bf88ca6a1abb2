// Reads arguments from JavaScript, and turns exceptions into JavaScript errors. All reads copy, so that no value can
// change after it has been checked.
#pragma once
#include <napi.h>

#include <array>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../base/error.h"

namespace mt::addon {

// The Error with `code` that an exception becomes: mt::Error's code, OUT_OF_MEMORY for a failed allocation on either
// side, else INTERNAL. A JavaScript exception stays what it is.
Napi::Value error_value(Napi::Env env, std::exception_ptr exception);

// Runs a method's body. An exception becomes a rejected promise.
template <class Body>
Napi::Value promise_of(Napi::Env env, Body body) {
  try {
    return body();
  } catch (...) {
    const Napi::Value error = error_value(env, std::current_exception());
    const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error);
    return deferred.Promise();
  }
}

// Runs a method's body. An exception is thrown in JavaScript.
template <class Body>
Napi::Value thrown_by(Napi::Env env, Body body) {
  try {
    return body();
  } catch (...) {
    throw Napi::Error(env, error_value(env, std::current_exception()));
  }
}

// Each throws INVALID_ARGUMENT naming the argument unless the value is what it should be.
Napi::Object read_object(Napi::Value value, const char* name);
Napi::Array read_array(Napi::Value value, const char* name);
bool read_bool(Napi::Value value, const char* name);
// Takes undefined for false.
bool read_flag(Napi::Value value, const char* name);
double read_number(Napi::Value value, const char* name);
// Reads a finite number in the range of float32, and rounds it to float32.
float read_float(Napi::Value value, const char* name);
// Reads a whole number in low .. high. Neither limit may be beyond 2^53.
int64_t read_integer(Napi::Value value, const char* name, int64_t low, int64_t high);
int read_int(Napi::Value value, const char* name);
std::string read_string(Napi::Value value, const char* name);
// Reads the name of a file. A NUL is refused, because the system would end the name there.
std::string read_path(Napi::Value value, const char* name);
// This and the next two read at most 2^31 - 1 elements, so that an int can count them.
std::vector<int32_t> read_int32s(Napi::Value value, const char* name);
// Reads an Int32Array [n, 3].
std::vector<std::array<int32_t, 3>> read_triples(Napi::Value value, const char* name);
std::vector<float> read_floats(Napi::Value value, const char* name);
// Returns the memory of an Int32Array of at least `count` elements on a SharedArrayBuffer. It stays while the value is
// held.
int32_t* shared_words(Napi::Value value, size_t count, const char* name);

// A typed array of JavaScript that the engine thread fills while a job holds it. JavaScript sees it only after that.
template <class Array>
class ResultArray {
 public:
  using Element = std::remove_pointer_t<decltype(std::declval<Array>().Data())>;

  ResultArray() = default;
  // Throws OUT_OF_MEMORY.
  ResultArray(Napi::Env env, size_t count) {
    Array array = new_array(env, count);
    values_ = {array.Data(), count};
    owner_ = Napi::Persistent(array.template As<Napi::Object>());
  }

  std::span<Element> values() const { return values_; }
  Napi::Value array() const { return owner_.Value(); }

 private:
  static Array new_array(Napi::Env env, size_t count);

  std::span<Element> values_;
  Napi::ObjectReference owner_;
};

// These define read-only properties of an object that JavaScript gets. An exception of a method becomes a JavaScript
// error.
void define_value(Napi::Object object, const char* name, Napi::Value value);

// Napi::Function would take memory for many arguments before the method's body is reached, where nothing may throw.
template <class Callback>
napi_value call_method(napi_env env, napi_callback_info info) {
  try {
    return thrown_by(env, [&]() -> Napi::Value {
      const Napi::CallbackInfo arguments(env, info);
      return (*static_cast<Callback*>(arguments.Data()))(arguments);
    });
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
    return nullptr;
  }
}

template <class Callback>
void define_method(Napi::Object object, const char* name, Callback callback) {
  const Napi::Env env = object.Env();
  auto owned = std::make_unique<Callback>(std::move(callback));
  napi_value method = nullptr;
  const auto check = [&](napi_status status) {
    if (status != napi_ok) throw Napi::Error::New(env);
  };
  check(napi_create_function(env, name, NAPI_AUTO_LENGTH, call_method<Callback>, owned.get(), &method));
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Callback*>(data); };
  check(napi_add_finalizer(env, method, owned.get(), destroy, nullptr, nullptr));
  owned.release();
  define_value(object, name, Napi::Value(env, method));
}

}  // namespace mt::addon
