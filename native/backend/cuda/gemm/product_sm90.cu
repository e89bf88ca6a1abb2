// The matrix product that is stored as it is, on Hopper: gemm_sm90.cuh with the epilogue of product.cuh.
#include "gemm_sm90.cuh"
#include "product.cuh"

namespace mt::MT_TARGET {

template void gemm_sm90(Device&, const GemmOperands<bf16>&, const StoreProduct&);
template void gemm_sm90(Device&, const GemmOperands<f16>&, const StoreProduct&);

}  // namespace mt::MT_TARGET
