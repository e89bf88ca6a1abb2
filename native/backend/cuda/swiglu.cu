// f = silu(gate) * up: the matrix product with gate and up rows interleaved, so that one thread holds both.
#include "gemm.cuh"

namespace mt::MT_TARGET {
namespace {

MT_DEVICE float gated(float gate, float up) { return gate / (1.0f + exp_f32(-gate)) * up; }

template <class T>
struct StoreGated {
  T* f;
  const float* bias;
  int rows, ffn;
  bool pairs;

  template <class Acc>
  MT_DEVICE void operator()(const Acc& acc, int row, int col) const {
    for_each_group(acc, row, col, [&](int r, int group, int i, const float* gate, const float* up) {
      const int c = group * 8 + i;
      if (r >= rows || c >= ffn) return;
      const bool both = c + 1 < ffn;
      float y[2];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const bool biased = bias && (e == 0 || both);
        y[e] = gated(gate[e] + (biased ? bias[c + e] : 0.0f), up[e] + (biased ? bias[ffn + c + e] : 0.0f));
      }
      T* to = f + static_cast<int64_t>(r) * ffn + c;
      if (pairs) {
        store_pair(to, y[0], y[1]);
      } else {
        to[0] = from_float<T>(y[0]);
        if (both) to[1] = from_float<T>(y[1]);
      }
    });
  }
};

}  // namespace

template <class T>
void swiglu(Device& device, const GemmOperands<T>& g, const float* bias, int ffn, T* f) {
  gemm(device, g, StoreGated<T>{f, bias, g.m, ffn, ffn % 2 == 0 && is_aligned(f, 2 * sizeof(T))});
}

template void swiglu(Device&, const GemmOperands<float>&, const float*, int, float*);
template void swiglu(Device&, const GemmOperands<bf16>&, const float*, int, bf16*);
template void swiglu(Device&, const GemmOperands<f16>&, const float*, int, f16*);

}  // namespace mt::MT_TARGET
