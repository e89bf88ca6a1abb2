// SwiGLU of products that are in memory: forward where adapters add to them or they are kept, and backward. A thread
// has one element. Bound by memory.
#include "../device/device.cuh"
#include "../gemm/swiglu.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;

// The elements of gate and up that belong to element i of [rows, ffn].
struct Pair {
  int64_t gate, up;
};
MT_DEVICE Pair pair_of(int64_t i, int ffn) {
  const int64_t gate = i + i / ffn * ffn;
  return {gate, gate + ffn};
}

template <class T>
MT_KERNEL(kThreads, 4)
swiglu_kernel(const float* addend, int64_t count, int ffn, float* gate_up, T* f) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const Pair p = pair_of(i, ffn);
  float gate = gate_up[p.gate], up = gate_up[p.up];
  if (addend) {
    gate_up[p.gate] = gate += addend[p.gate];
    gate_up[p.up] = up += addend[p.up];
  }
  f[i] = from_float<T>(gated(gate, up));
}

template <class T>
MT_KERNEL(kThreads, 4)
swiglu_backward_kernel(const float* gate_up, const float* df, int64_t count, int ffn, T* f, T* dgate_up) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const Pair p = pair_of(i, ffn);
  const float gate = gate_up[p.gate], up = gate_up[p.up], d = df[i];
  const float s = 1.0f / (1.0f + exp_f32(-gate));
  f[i] = from_float<T>(gate * s * up);
  dgate_up[p.gate] = from_float<T>(d * up * s * (1.0f + gate * (1.0f - s)));
  dgate_up[p.up] = from_float<T>(d * gate * s);
}

Grid grid_for(int64_t count) { return {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}; }

}  // namespace

template <class T>
void swiglu_rows(Device& device, const float* addend, int rows, int ffn, float* gate_up, T* f) {
  const int64_t count = static_cast<int64_t>(rows) * ffn;
  if (count > 0) launch(device, grid_for(count), swiglu_kernel<T>, addend, count, ffn, gate_up, f);
}

template <class T>
void swiglu_backward(Device& device, const float* gate_up, const float* df, int rows, int ffn, T* f, T* dgate_up) {
  const int64_t count = static_cast<int64_t>(rows) * ffn;
  if (count > 0) launch(device, grid_for(count), swiglu_backward_kernel<T>, gate_up, df, count, ffn, f, dgate_up);
}

template void swiglu_rows(Device&, const float*, int, int, float*, float*);
template void swiglu_rows(Device&, const float*, int, int, float*, bf16*);
template void swiglu_backward(Device&, const float*, const float*, int, int, float*, float*);
template void swiglu_backward(Device&, const float*, const float*, int, int, bf16*, bf16*);

}  // namespace mt::MT_TARGET
