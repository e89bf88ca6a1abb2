// f = silu(gate) * up: the matrix product with the rows of gate and up interleaved, so that one thread holds both.
#include "gemm.cuh"
#include "swiglu.cuh"

namespace mt::MT_TARGET {

template <class T>
void swiglu(Device& device, const GemmOperands<T>& g, const float* bias, int ffn, T* f) {
  gemm(device, g, StoreGated<T>{f, bias, g.m, ffn, ffn % 2 == 0 && is_aligned(f, 2 * sizeof(T))});
}

template void swiglu(Device&, const GemmOperands<float>&, const float*, int, float*);
template void swiglu(Device&, const GemmOperands<bf16>&, const float*, int, bf16*);
template void swiglu(Device&, const GemmOperands<f16>&, const float*, int, f16*);

}  // namespace mt::MT_TARGET
