// q, k and v of a pack on Hopper: gemm_sm90.cuh with the epilogue of qkv.cuh.
#include "gemm_sm90.cuh"
#include "qkv.cuh"

namespace mt::MT_TARGET {

template void gemm_sm90(Device&, const GemmOperands<bf16>&, const RotateAndSplit&);
template void gemm_sm90(Device&, const GemmOperands<f16>&, const RotateAndSplit&);

}  // namespace mt::MT_TARGET
