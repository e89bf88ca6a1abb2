// The errors of launches in the simulator, for the tests of what it catches.
#pragma once
#include <string>

#include "backend/cuda/runtime/launch.cuh"
#include "base/error.h"
#include "check.h"

namespace mt::host_device {

// The message of the launch's error, or "".
template <class... Parameters>
std::string error_of(const Grid& grid, void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
  Device device(0);
  try {
    launch(device, grid, kernel, arguments...);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline void expect(const std::string& error, const char* want) {
  test::check(error.find(want) != std::string::npos, "the error is \"%s\", want it to name \"%s\"", error.c_str(),
              want);
}

}  // namespace mt::host_device
