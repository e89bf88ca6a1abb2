// x += a w^T + bias: the matrix product with a residual add in its epilogue.
#include "gemm.cuh"
#include "linear_add.cuh"

namespace mt::MT_TARGET {

template <class T>
void linear_add(Device& device, const GemmOperands<T>& g, const float* bias, float* x) {
  gemm(device, g, AddToResidual{x, bias, g.m, g.n, g.n % 2 == 0 && is_aligned(x, 8)});
}

template void linear_add(Device&, const GemmOperands<float>&, const float*, float*);
template void linear_add(Device&, const GemmOperands<bf16>&, const float*, float*);
template void linear_add(Device&, const GemmOperands<f16>&, const float*, float*);

}  // namespace mt::MT_TARGET
