// The LM head's matrix product on Hopper: gemm_sm90.cuh with the epilogue of head_gemm.cuh.
#include "gemm_sm90.cuh"
#include "head_gemm.cuh"

namespace mt::MT_TARGET {

template void gemm_sm90(Device&, const GemmOperands<bf16>&, const StorePartials&);
template void gemm_sm90(Device&, const GemmOperands<f16>&, const StorePartials&);

}  // namespace mt::MT_TARGET
