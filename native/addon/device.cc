// The names of devices and number types that JavaScript gives, and the backends they stand for.
#include "device.h"

#include <charconv>

#include "../backend/gpus.h"
#include "../base/cpu_info.h"
#include "javascript.h"

namespace mt::addon {
namespace {

DType read_dtype(const std::string& name) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "dtype is " + name + ", expected float32, bfloat16 or float16");
}

}  // namespace

DeviceName read_device(const std::string& name) {
  using Kind = DeviceName::Kind;
  if (name == "cpu") return {Kind::kCpu};
  if (name == "reference") return {Kind::kReference};
  const std::string prefix = "cuda:";
  if (name.starts_with(prefix)) {
    DeviceName device = {Kind::kCuda};
    const char *begin = name.data() + prefix.size(), *end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(begin, end, device.ordinal);
    if (error == std::errc() && stop == end && device.ordinal >= 0) return device;
  }
  throw Error(ErrorCode::INVALID_ARGUMENT, "device is " + name + ", expected cpu, reference or cuda:N");
}

int read_threads(Napi::Value value) {
  constexpr int kMaxThreads = 1024;
  return static_cast<int>(read_integer(value, "threads", 0, kMaxThreads));
}

RunOptions read_run_options(Napi::Value value) {
  const Napi::Object object = read_object(value, "options");
  return {.dtype = read_dtype(read_string(object["dtype"], "dtype")),
          .device = read_device(read_string(object["device"], "device")),
          .threads = read_threads(object["threads"])};
}

std::unique_ptr<Backend> make_backend(DeviceName device, int threads) {
  switch (device.kind) {
    case DeviceName::Kind::kReference:
      return make_reference_backend();
    case DeviceName::Kind::kCuda:
      return make_gpu_backend(device.ordinal);
    case DeviceName::Kind::kCpu:
      break;
  }
  return make_cpu_backend(threads == 0 ? usable_threads() : threads);
}

Peaks measure_peaks(DeviceName device, int threads, const Control& control) {
  switch (device.kind) {
    case DeviceName::Kind::kReference:
      return measure_scalar_peaks(control);
    case DeviceName::Kind::kCuda:
      return measure_gpu_peaks(device.ordinal, control);
    case DeviceName::Kind::kCpu:
      break;
  }
  return measure_cpu_peaks(threads == 0 ? usable_threads() : threads, control);
}

}  // namespace mt::addon
