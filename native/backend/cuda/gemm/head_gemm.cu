// The LM head's matrix product: per row and 32 columns of the vocabulary the maximum, where it is, and the sum of
// exponentials. head.cu combines the partials.
#include "gemm.cuh"
#include "head_gemm.cuh"

namespace mt::MT_TARGET {

template <class T>
void head_partials(Device& device, const GemmOperands<T>& g, const int32_t* targets, HeadPartial* partials,
                   float* target_logits) {
  gemm(device, g, StorePartials{targets, partials, target_logits, g.m, g.n, head_partials_per_row(g.n)});
}

template void head_partials(Device&, const GemmOperands<float>&, const int32_t*, HeadPartial*, float*);
template void head_partials(Device&, const GemmOperands<bf16>&, const int32_t*, HeadPartial*, float*);
template void head_partials(Device&, const GemmOperands<f16>&, const int32_t*, HeadPartial*, float*);

}  // namespace mt::MT_TARGET
