// There is one reader for each type, and all of them report a wrong value in the same words.
#include "javascript.h"

#include <cmath>
#include <limits>
#include <new>

namespace mt::addon {
namespace {

[[noreturn]] void wrong(const char* name, const std::string& wanted) {
  throw Error(ErrorCode::INVALID_ARGUMENT, std::string(name) + " is not " + wanted);
}

Napi::Value coded_error(Napi::Env env, ErrorCode code, const char* message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", error_code_name(code));
  return error.Value();
}

bool is_typed(Napi::Value value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

// The name of JavaScript's constructor, and the type of what it makes.
template <class Array>
constexpr std::pair<const char*, napi_typedarray_type> array_type() {
  if constexpr (std::is_same_v<Array, Napi::Float32Array>) return {"Float32Array", napi_float32_array};
  if constexpr (std::is_same_v<Array, Napi::Int32Array>) return {"Int32Array", napi_int32_array};
  return {"Uint8Array", napi_uint8_array};
}

template <class Array>
auto read_typed(Napi::Value value, napi_typedarray_type type, const char* name, const char* wanted) {
  if (!is_typed(value, type)) wrong(name, wanted);
  const Array array = value.As<Array>();
  if (array.ElementLength() > std::numeric_limits<int32_t>::max()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, std::string(name) + " has " + std::to_string(array.ElementLength()) +
                                                 " elements, expected at most 2147483647");
  }
  return std::vector(array.Data(), array.Data() + array.ElementLength());
}

}  // namespace

Napi::Value error_value(Napi::Env env, std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Napi::Error& error) {
    return error.Value();
  } catch (const Error& error) {
    return coded_error(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return coded_error(env, ErrorCode::OUT_OF_MEMORY, "no memory");
  } catch (const std::length_error&) {  // a vector was asked for more elements than it can ever have
    return coded_error(env, ErrorCode::OUT_OF_MEMORY, "no memory");
  } catch (const std::exception& error) {
    return coded_error(env, ErrorCode::INTERNAL, error.what());
  }
}

Napi::Object read_object(Napi::Value value, const char* name) {
  if (!value.IsObject()) wrong(name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array read_array(Napi::Value value, const char* name) {
  if (!value.IsArray()) wrong(name, "an array");
  return value.As<Napi::Array>();
}

bool read_bool(Napi::Value value, const char* name) {
  if (!value.IsBoolean()) wrong(name, "a boolean");
  return value.As<Napi::Boolean>();
}

bool read_flag(Napi::Value value, const char* name) { return !value.IsUndefined() && read_bool(value, name); }

double read_number(Napi::Value value, const char* name) {
  if (!value.IsNumber()) wrong(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

float read_float(Napi::Value value, const char* name) {
  const double number = read_number(value, name);
  if (!(std::fabs(number) <= std::numeric_limits<float>::max())) wrong(name, "a finite number of float32's range");
  return static_cast<float>(number);
}

int64_t read_integer(Napi::Value value, const char* name, int64_t low, int64_t high) {
  const double number = read_number(value, name);
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number)) {
    wrong(name, "a whole number in " + std::to_string(low) + " .. " + std::to_string(high));
  }
  return static_cast<int64_t>(number);
}

int read_int(Napi::Value value, const char* name) {
  return static_cast<int>(
      read_integer(value, name, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}

std::string read_string(Napi::Value value, const char* name) {
  if (!value.IsString()) wrong(name, "a string");
  return value.As<Napi::String>();
}

std::string read_path(Napi::Value value, const char* name) {
  std::string path = read_string(value, name);
  if (path.find('\0') != std::string::npos) wrong(name, "a file's name: it holds a NUL");
  return path;
}

std::vector<int32_t> read_int32s(Napi::Value value, const char* name) {
  return read_typed<Napi::Int32Array>(value, napi_int32_array, name, "an Int32Array");
}

std::vector<std::array<int32_t, 3>> read_triples(Napi::Value value, const char* name) {
  const std::vector<int32_t> words = read_int32s(value, name);
  if (words.size() % 3 != 0) {
    throw Error(ErrorCode::INVALID_ARGUMENT,
                std::string(name) + " has " + std::to_string(words.size()) + " elements, expected three each");
  }
  std::vector<std::array<int32_t, 3>> triples(words.size() / 3);
  for (size_t i = 0; i < words.size(); i++) triples[i / 3][i % 3] = words[i];
  return triples;
}

std::vector<float> read_floats(Napi::Value value, const char* name) {
  return read_typed<Napi::Float32Array>(value, napi_float32_array, name, "a Float32Array");
}

int32_t* shared_words(Napi::Value value, size_t count, const char* name) {
  const std::string wanted = "an Int32Array of " + std::to_string(count) + " on a SharedArrayBuffer";
  if (!is_typed(value, napi_int32_array)) wrong(name, wanted);
  const Napi::Int32Array array = value.As<Napi::Int32Array>();
  // Node-API cannot ask for a SharedArrayBuffer, but the buffer of a typed array is one if it is not an ArrayBuffer.
  if (array.ElementLength() < count || static_cast<Napi::Value>(array.ArrayBuffer()).IsArrayBuffer()) {
    wrong(name, wanted);
  }
  return const_cast<int32_t*>(array.Data());
}

template <class Array>
Array ResultArray<Array>::new_array(Napi::Env env, size_t count) {
  constexpr size_t kMaxElements = (size_t{1} << 32) - 1;
  if (count > kMaxElements) {
    throw Error(ErrorCode::OUT_OF_MEMORY, "a result of " + std::to_string(count) + " numbers; a typed array holds " +
                                              std::to_string(kMaxElements));
  }
  const auto [name, type] = array_type<Array>();
  Napi::Value array;
  // JavaScript's constructor throws if there is no memory, where the functions of Node-API would end the process.
  try {
    array =
        env.Global().Get(name).template As<Napi::Function>().New({Napi::Number::New(env, static_cast<double>(count))});
  } catch (const Napi::Error&) {
    throw Error(ErrorCode::OUT_OF_MEMORY, "no memory for a result of " + std::to_string(count) + " numbers");
  }
  if (!is_typed(array, type) || array.As<Napi::TypedArray>().ElementLength() != count) {
    throw Error(ErrorCode::INTERNAL, "the global " + std::string(name) + " is not JavaScript's own");
  }
  return array.As<Array>();
}

template class ResultArray<Napi::Int32Array>;
template class ResultArray<Napi::Float32Array>;
template class ResultArray<Napi::Uint8Array>;

void define_value(Napi::Object object, const char* name, Napi::Value value) {
  object.DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
}

}  // namespace mt::addon
