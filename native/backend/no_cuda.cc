// gpus.h in a build without the CUDA backend: there are no GPUs, and every error says how to get a build that has some.
#include "../base/error.h"
#include "gpus.h"

namespace mt {
namespace {

constexpr const char* kNoCuda =
    "this build of mt-llama has no CUDA; in a clone, on a machine with nvcc, `npm run build:cuda` makes one, which "
    "MT_LLAMA_PREBUILD=build/cuda loads";

[[noreturn]] void no_cuda(int ordinal) {
  throw Error(ErrorCode::DEVICE_UNAVAILABLE, "cuda:" + std::to_string(ordinal) + ": " + kNoCuda);
}

}  // namespace

Gpus list_gpus() { return {{}, kNoCuda}; }
size_t gpu_free_bytes(int ordinal) { no_cuda(ordinal); }
std::unique_ptr<Backend> make_gpu_backend(int ordinal) { no_cuda(ordinal); }
Peaks measure_gpu_peaks(int ordinal, const Control&) { no_cuda(ordinal); }

}  // namespace mt
