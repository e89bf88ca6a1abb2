// f = silu(gate) * up on Hopper: gemm_sm90.cuh with the epilogue of swiglu.cuh.
#include "gemm_sm90.cuh"
#include "swiglu.cuh"

namespace mt::MT_TARGET {

template void gemm_sm90(Device&, const GemmOperands<bf16>&, const StoreGated<bf16>&);
template void gemm_sm90(Device&, const GemmOperands<f16>&, const StoreGated<f16>&);

}  // namespace mt::MT_TARGET
