// x += a w^T + bias on Hopper: gemm_sm90.cuh with the epilogue of linear_add.cuh.
#include "gemm_sm90.cuh"
#include "linear_add.cuh"

namespace mt::MT_TARGET {

template void gemm_sm90(Device&, const GemmOperands<bf16>&, const AddToResidual&);
template void gemm_sm90(Device&, const GemmOperands<f16>&, const AddToResidual&);

}  // namespace mt::MT_TARGET
