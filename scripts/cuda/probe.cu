// One kernel for each opcode that the CUDA compile gate counts: what must be found where it is, and nowhere else.
#include <cstdint>

#define PROBE extern "C" __global__ void __launch_bounds__(128)

__device__ uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

PROBE probe_HMMA(float* out, uint32_t a, uint32_t b) {
  float c[4] = {};
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%4,%4,%4}, {%5,%5}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a), "r"(b));
  for (int i = 0; i < 4; i++) out[4 * threadIdx.x + i] = c[i];
}

PROBE probe_LDGSTS(const char* in) {
  __shared__ alignas(128) char memory[2048];
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(memory + 16 * threadIdx.x)),
               "l"(in + 16 * threadIdx.x)
               : "memory");
  asm volatile("cp.async.commit_group;" ::: "memory");
  asm volatile("cp.async.wait_group 0;" ::: "memory");
}

PROBE probe_LDSM(uint32_t* out) {
  __shared__ alignas(128) char memory[2048];
  uint32_t r[4];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(memory + 16 * threadIdx.x)));
  out[threadIdx.x] = r[0] + r[1] + r[2] + r[3];
}

PROBE probe_FFMA(float* out, float x, float y) { out[threadIdx.x] = fmaf(out[threadIdx.x], x, y); }

// An array with an index known at run time lies in local memory.
PROBE probe_local(int* out, int n) {
  int values[64];
  for (int i = 0; i < 64; i++) values[i] = out[i];
  for (int i = 0; i < n; i++) values[values[i] & 63] = i;
  out[threadIdx.x] = values[n & 63];
}

// More values alive at once than the 64 registers that a block of 1024 threads leaves each of them.
extern "C" __global__ void __launch_bounds__(1024) probe_spill(volatile float* out) {
  float values[96];
#pragma unroll
  for (int i = 0; i < 96; i++) values[i] = out[96 * threadIdx.x + i];
#pragma unroll
  for (int i = 95; i >= 0; i--) out[96 * threadIdx.x + 95 - i] = values[i];
}

// Hopper only; the host code names every kernel.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

PROBE probe_HGMMA(float* out, uint64_t a, uint64_t b) {
  float c[4] = {};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, 1, 1, 1, 0, 0;"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "l"(a), "l"(b));
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < 4; i++) out[4 * threadIdx.x + i] = c[i];
}

PROBE probe_UTMALDG(const void* map, int x, int y) {
  __shared__ alignas(128) char memory[1024];
  __shared__ uint64_t barrier;
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared_address(memory)),
      "l"(map), "r"(x), "r"(y), "r"(shared_address(&barrier))
      : "memory");
}

#endif
