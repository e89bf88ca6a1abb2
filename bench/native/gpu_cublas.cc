// cublasGemmEx is column-major, where a row-major c is read as its transpose. So it is asked for b a^T.
#include "gpu_cublas.h"

#include <cublas_v2.h>

#include "base/error.h"

namespace mt::bench {
namespace {

// The size that NVIDIA recommends for Hopper.
constexpr size_t kWorkspaceBytes = 32u << 20;

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(ErrorCode::INTERNAL, std::string("cuBLAS: ") + cublasGetStatusString(status));
}

constexpr cudaDataType_t type(const float*) { return CUDA_R_32F; }
constexpr cudaDataType_t type(const bf16*) { return CUDA_R_16BF; }
constexpr cudaDataType_t type(const f16*) { return CUDA_R_16F; }

template <class T, class C>
void gemm(void* handle, const T* a, const T* b, int m, int n, int k, C* c) {
  const float one = 1, zero = 0;
  check(cublasGemmEx(static_cast<cublasHandle_t>(handle), CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, b, type(b), k, a,
                     type(a), k, &zero, c, type(c), n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}

}  // namespace

Cublas::Cublas(Device& device) : device_(device), workspace_(device, kWorkspaceBytes) {
  device.select();
  cublasHandle_t handle;
  check(cublasCreate(&handle));
  handle_.reset(handle);
  check(cublasSetStream(handle, static_cast<cudaStream_t>(device.stream())));
  check(cublasSetWorkspace(handle, workspace_.data(), kWorkspaceBytes));
}

void Cublas::Destroy::operator()(void* handle) const noexcept { cublasDestroy(static_cast<cublasHandle_t>(handle)); }

template <class T>
void Cublas::multiply(const T* a, const T* b, int m, int n, int k, float* c) {
  device_.select();
  gemm(handle_.get(), a, b, m, n, k, c);
}

template <class T>
void Cublas::multiply(const T* a, const T* b, int m, int n, int k, T* c) {
  device_.select();
  gemm(handle_.get(), a, b, m, n, k, c);
}

template void Cublas::multiply(const bf16*, const bf16*, int, int, int, float*);
template void Cublas::multiply(const f16*, const f16*, int, int, int, float*);
template void Cublas::multiply(const bf16*, const bf16*, int, int, int, bf16*);
template void Cublas::multiply(const f16*, const f16*, int, int, int, f16*);

}  // namespace mt::bench
