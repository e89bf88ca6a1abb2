// q, k and v of a pack: the matrix product with bias, rotary embedding and the split in its epilogue (qkv.cuh).
#include "gemm.cuh"
#include "qkv.cuh"

namespace mt::MT_TARGET {

template <class T>
void qkv(Device& device, const GemmOperands<T>& g, const float* bias, const RopeArguments& rope, float* q, float* k,
         float* v) {
  const bool pairs = rope.head_dim % 4 == 0 && is_aligned(q, 8) && is_aligned(k, 8) && is_aligned(v, 8);
  const int rotated_heads = rope.cos ? rope.heads + rope.kv_heads : 0;
  gemm(device, g, RotateAndSplit{bias, rope, rotated_heads, q, k, v, g.m, pairs});
}

template void qkv(Device&, const GemmOperands<float>&, const float*, const RopeArguments&, float*, float*, float*);
template void qkv(Device&, const GemmOperands<bf16>&, const float*, const RopeArguments&, float*, float*, float*);
template void qkv(Device&, const GemmOperands<f16>&, const float*, const RopeArguments&, float*, float*, float*);

}  // namespace mt::MT_TARGET
