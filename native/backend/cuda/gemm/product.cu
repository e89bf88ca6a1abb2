// The matrix product that is stored as it is (product.cuh).
#include "gemm.cuh"
#include "product.cuh"

namespace mt::MT_TARGET {

template <class T>
void product(Device& device, const GemmOperands<T>& g, const ProductTarget& to) {
  const int parted = to.places.part > 0 ? to.places.part : g.n;
  const bool pairs = !to.add && parted % 2 == 0 && to.stride % 2 == 0 && is_aligned(to.y, 8);
  gemm(device, g, StoreProduct{to, g.m, g.n, pairs});
}

template void product(Device&, const GemmOperands<float>&, const ProductTarget&);
template void product(Device&, const GemmOperands<bf16>&, const ProductTarget&);
template void product(Device&, const GemmOperands<f16>&, const ProductTarget&);

}  // namespace mt::MT_TARGET
