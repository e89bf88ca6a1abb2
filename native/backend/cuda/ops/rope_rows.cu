// RoPE of rows that are in memory: the split of q, k and v where adapters add to them, and the backward pass. A thread
// has one pair of elements, which are half a head apart. Bound by memory.
#include "../device/device.cuh"
#include "../runtime/launch.cuh"
#include "ops.h"

namespace mt::MT_TARGET {
namespace {

constexpr int kThreads = 256;

// The running thread's pair: row, head, and place in the head's first half.
struct Pair {
  int64_t row;
  int head, i;
};
MT_DEVICE Pair pair_of(int64_t index, int heads, int half) {
  return {index / half / heads, static_cast<int>(index / half % heads), static_cast<int>(index % half)};
}

MT_KERNEL(kThreads, 4)
split_kernel(const float* qkv, const float* addend, RopeArguments rope, int64_t count, float* q, float* k, float* v) {
  const int64_t index = static_cast<int64_t>(block_x()) * kThreads + thread_index();
  if (index >= count) return;
  const int d = rope.head_dim, half = d / 2, heads = rope.heads + 2 * rope.kv_heads;
  const Pair p = pair_of(index, heads, half);
  const int64_t at = (p.row * heads + p.head) * d + p.i;
  float a = qkv[at] + addend[at], b = qkv[at + half] + addend[at + half];
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
  const Pair p = pair_of(index, rotated, half);
  float* x = dqkv + (p.row * (rotated + rope.kv_heads) + p.head) * d + p.i;
  const int64_t angle = int64_t{rope.pos[p.row]} * half + p.i;
  const float cos = rope.cos[angle], sin = rope.sin[angle], a = x[0], b = x[half];
  x[0] = a * cos + b * sin;
  x[half] = b * cos - a * sin;
}

Grid grid_for(int64_t count) { return {.x = static_cast<int>((count + kThreads - 1) / kThreads), .threads = kThreads}; }

}  // namespace

void split_qkv(Device& device, const float* qkv, const float* addend, const RopeArguments& rope, int rows, float* q,
               float* k, float* v) {
  const int64_t count = int64_t{rows} * (rope.heads + 2 * rope.kv_heads) * (rope.head_dim / 2);
  if (count > 0) launch(device, grid_for(count), split_kernel, qkv, addend, rope, count, q, k, v);
}

void rope_backward(Device& device, const RopeArguments& rope, int rows, float* dqkv) {
  const int64_t count = int64_t{rows} * (rope.heads + rope.kv_heads) * (rope.head_dim / 2);
  if (count > 0) launch(device, grid_for(count), rope_backward_kernel, rope, count, dqkv);
}

}  // namespace mt::MT_TARGET
