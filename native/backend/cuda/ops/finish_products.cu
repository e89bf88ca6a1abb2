// What the epilogues of swiglu and qkv do, for products that are in memory: because adapters add to them, or because
// they are kept; and the backward passes of SwiGLU and RoPE. A thread has one pair: gate and up, or two elements that
// are half a head apart. Bound by memory.
#include "../device/device.cuh"
#include "../gemm/swiglu.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;

// Where gate and up of element i of [rows, ffn] are.
struct GatePair {
  int64_t gate, up;
};
MT_DEVICE GatePair gate_pair_of(int64_t i, int ffn) {
  const int64_t gate = i + i / ffn * ffn;
  return {gate, gate + ffn};
}

template <class T>
MT_KERNEL(kThreads, 4)
swiglu_kernel(const float* gate_up, int64_t count, int ffn, T* f) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const GatePair p = gate_pair_of(i, ffn);
  f[i] = from_float<T>(gated(gate_up[p.gate], gate_up[p.up]));
}

template <class T>
MT_KERNEL(kThreads, 4)
swiglu_backward_kernel(const float* gate_up, const float* df, int64_t count, int ffn, T* f, T* dgate_up) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (i >= count) return;
  const GatePair p = gate_pair_of(i, ffn);
  const float gate = gate_up[p.gate], up = gate_up[p.up], d = df[i];
  const float s = 1.0f / (1.0f + exp_f32(-gate));
  f[i] = from_float<T>(gate * s * up);
  dgate_up[p.gate] = from_float<T>(d * up * s * (1.0f + gate * (1.0f - s)));
  dgate_up[p.up] = from_float<T>(d * gate * s);
}

// The running thread's pair: row, head, and place in the head's first half.
struct HeadPair {
  int64_t row;
  int head, i;
};
MT_DEVICE HeadPair head_pair_of(int64_t index, int heads, int half) {
  return {index / half / heads, static_cast<int>(index / half % heads), static_cast<int>(index % half)};
}

MT_KERNEL(kThreads, 4)
split_kernel(const float* qkv, RopeArguments rope, int64_t count, float* q, float* k, float* v) {
  const int64_t index = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (index >= count) return;
  const int d = rope.head_dim, half = d / 2, heads = rope.heads + 2 * rope.kv_heads;
  const HeadPair p = head_pair_of(index, heads, half);
  const int64_t at = (p.row * heads + p.head) * d + p.i;
  float a = qkv[at], b = qkv[at + half];
  if (rope.cos && p.head < rope.heads + rope.kv_heads) {
    const int64_t angle = int64_t{rope.pos[p.row]} * half + p.i;
    const float cos = rope.cos[angle], sin = rope.sin[angle], turned = a * cos - b * sin;
    b = b * cos + a * sin;
    a = turned;
  }
  float* to = q + (p.row * rope.heads + p.head) * d;
  if (p.head >= rope.heads + rope.kv_heads)
    to = v + (p.row * rope.kv_heads + p.head - rope.heads - rope.kv_heads) * d;
  else if (p.head >= rope.heads)
    to = k + (p.row * rope.kv_heads + p.head - rope.heads) * d;
  to[p.i] = a;
  to[p.i + half] = b;
}

MT_KERNEL(kThreads, 4)
rope_backward_kernel(RopeArguments rope, int64_t count, float* dqkv) {
  const int64_t index = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (index >= count) return;
  const int d = rope.head_dim, half = d / 2, rotated = rope.heads + rope.kv_heads;
  const HeadPair p = head_pair_of(index, rotated, half);
  float* x = dqkv + (p.row * (rotated + rope.kv_heads) + p.head) * d + p.i;
  const int64_t angle = int64_t{rope.pos[p.row]} * half + p.i;
  const float cos = rope.cos[angle], sin = rope.sin[angle], a = x[0], b = x[half];
  x[0] = a * cos + b * sin;
  x[half] = b * cos - a * sin;
}

Grid grid_for(int64_t count) { return {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}; }

}  // namespace

template <class T>
void swiglu_rows(Device& device, const float* gate_up, int rows, int ffn, T* f) {
  const int64_t count = static_cast<int64_t>(rows) * ffn;
  if (count > 0) launch(device, grid_for(count), swiglu_kernel<T>, gate_up, count, ffn, f);
}

template <class T>
void swiglu_backward(Device& device, const float* gate_up, const float* df, int rows, int ffn, T* f, T* dgate_up) {
  const int64_t count = static_cast<int64_t>(rows) * ffn;
  if (count > 0) launch(device, grid_for(count), swiglu_backward_kernel<T>, gate_up, df, count, ffn, f, dgate_up);
}

void split_qkv(Device& device, const float* qkv, const RopeArguments& rope, int rows, float* q, float* k, float* v) {
  const int64_t count = int64_t{rows} * (rope.heads + 2 * rope.kv_heads) * (rope.head_dim / 2);
  if (count > 0) launch(device, grid_for(count), split_kernel, qkv, rope, count, q, k, v);
}

void rope_backward(Device& device, const RopeArguments& rope, int rows, float* dqkv) {
  const int64_t count = int64_t{rows} * (rope.heads + rope.kv_heads) * (rope.head_dim / 2);
  if (count > 0) launch(device, grid_for(count), rope_backward_kernel, rope, count, dqkv);
}

template void swiglu_rows(Device&, const float*, int, int, float*);
template void swiglu_rows(Device&, const float*, int, int, bf16*);
template void swiglu_backward(Device&, const float*, const float*, int, int, float*, float*);
template void swiglu_backward(Device&, const float*, const float*, int, int, bf16*, bf16*);

}  // namespace mt::MT_TARGET
