// cuBLAS, with which gpu_gemm_bench compares. If CMake finds it, it is linked and MT_LLAMA_CUBLAS is defined.
#pragma once
#include "gpu_timing.h"

namespace mt::bench {

// Queues c[m, n] = a[m, k] b[n, k]^T on the device's stream. Matrices are row-major; sums are float32.
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
