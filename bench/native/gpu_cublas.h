// cuBLAS, the rival of gpu_gemm_bench. It is linked where CMake finds it, then MT_LLAMA_CUBLAS is defined.
#pragma once
#include "gpu_timing.h"

namespace mt::bench {

// c[m, n] = a[m, k] b[n, k]^T, row-major, on the device's stream, summed in float32.
class Cublas {
 public:
  explicit Cublas(Device& device);
  template <class T>
  void multiply(const T* a, const T* b, int m, int n, int k, float* c);
  template <class T>
  void multiply(const T* a, const T* b, int m, int n, int k, T* c);

 private:
  struct Destroy {
    void operator()(void* handle) const noexcept;
  };

  Device& device_;
  DeviceMemory workspace_;
  std::unique_ptr<void, Destroy> handle_;  // cublasHandle_t
};

}  // namespace mt::bench
