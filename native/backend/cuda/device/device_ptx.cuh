// The functions of device.cuh in PTX, for sm_80 and up. Inline assembly for GPUs is in this file and
// device_ptx_sm90.cuh alone.
#pragma once

#define MT_DEVICE __device__ __forceinline__
#define MT_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)

namespace mt::MT_TARGET {

MT_DEVICE int thread_index() { return threadIdx.x; }
MT_DEVICE int block_x() { return blockIdx.x; }
MT_DEVICE int block_y() { return blockIdx.y; }
MT_DEVICE int grid_x() { return gridDim.x; }

MT_DEVICE char* shared_memory() {
  extern __shared__ __align__(128) char memory[];
  return memory;
}

MT_DEVICE void sync_block() { __syncthreads(); }
MT_DEVICE void sync_warp() { __syncwarp(); }

template <class T>
MT_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
template <class T>
MT_DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}

MT_DEVICE int lowest_lane(bool condition) { return __ffs(__ballot_sync(0xffffffffu, condition)) - 1; }

MT_DEVICE uint32_t atomic_add(uint32_t* shared, uint32_t value) { return atomicAdd(shared, value); }

MT_DEVICE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

MT_DEVICE Vec16<float> load16_constant(const float* p) {
  const float4 v = __ldg(reinterpret_cast<const float4*>(p));
  return {v.x, v.y, v.z, v.w};
}

MT_DEVICE void cp_async16(void* shared, const void* global, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes)
               : "memory");
}
MT_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
MT_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

MT_DEVICE void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
MT_DEVICE void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

template <class T>
MT_DEVICE void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
MT_DEVICE void mma_m16n8k16<bf16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
MT_DEVICE void mma_m16n8k16<f16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

MT_DEVICE float to_float(float x) { return x; }
MT_DEVICE float to_float(bf16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
MT_DEVICE float to_float(f16 x) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
  return f;
}

// Two numbers in one register, `low` in the low half.
template <class T>
MT_DEVICE uint32_t pack2(float low, float high);
template <>
MT_DEVICE uint32_t pack2<bf16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
template <>
MT_DEVICE uint32_t pack2<f16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

template <class T>
MT_DEVICE T from_float(float x) {
  return {static_cast<uint16_t>(pack2<T>(x, 0.0f))};
}
template <>
MT_DEVICE float from_float<float>(float x) {
  return x;
}

MT_DEVICE float exp_f32(float x) { return expf(x); }
MT_DEVICE float log_f32(float x) { return logf(x); }
// The error is at most 2 units in the last place; results below 2^-126 become 0.
MT_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
MT_DEVICE float sqrt_f32(float x) { return sqrtf(x); }
MT_DEVICE float rsqrt_f32(float x) { return 1.0f / sqrtf(x); }
MT_DEVICE float fma_f32(float a, float b, float c) { return __fmaf_rn(a, b, c); }

}  // namespace mt::MT_TARGET
