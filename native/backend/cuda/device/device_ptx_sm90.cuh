// The functions of device_sm90.cuh in PTX, for sm_90a.
#pragma once

#define MT_GRID_CONSTANT const __grid_constant__

namespace mt::MT_TARGET {

MT_DEVICE bool elect_one() {
  uint32_t elected;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "elect.sync _|p, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}"
      : "=r"(elected));
  return elected != 0;
}

template <int kRegisters>
MT_DEVICE void more_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
MT_DEVICE void fewer_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// ---- barriers ----

MT_DEVICE void mbarrier_init(uint64_t* barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
// The first fence is for the other threads, the second for the TMA unit, which accesses shared memory through another
// path (the async proxy).
MT_DEVICE void mbarrier_fence_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
MT_DEVICE void mbarrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
MT_DEVICE void mbarrier_arrive_expect(uint64_t* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
MT_DEVICE void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t complete = 0;
  do {  // try_wait suspends the thread for a time that the hardware chooses
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}"
        : "=r"(complete)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  } while (complete == 0);
}

// ---- TMA ----

MT_DEVICE void tma_load(void* shared, const TensorMap& map, int col, int row, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::
          "r"(shared_address(shared)),
      "l"(&map), "r"(col), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

// ---- wgmma ----

// Keeps the compiler from moving an access to c across this point. Nothing else tells it that fences and waits have to
// do with c.
template <int kCols>
MT_DEVICE void pin_accumulators(float (&c)[kCols][4]) {
#pragma unroll
  for (int j = 0; j < kCols; j++)
    asm volatile("" : "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])::"memory");
}
template <int kCols>
MT_DEVICE void wgmma_fence(float (&c)[kCols][4]) {
  pin_accumulators(c);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
MT_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kPending>
MT_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
template <int kCols>
MT_DEVICE void wgmma_finish(float (&c)[kCols][4]) {
  wgmma_wait<0>();
  pin_accumulators(c);
}

// The operands for the accumulators of 1, 4, 16 or 32 fragments from j on, and their places in an assembly string.
#define MT_C1(j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
#define MT_C4(j) MT_C1(j), MT_C1(j + 1), MT_C1(j + 2), MT_C1(j + 3)
#define MT_C16(j) MT_C4(j), MT_C4(j + 4), MT_C4(j + 8), MT_C4(j + 12)
#define MT_C32(j) MT_C16(j), MT_C16(j + 16)
#define MT_PLACES_16 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define MT_PLACES_64                                                  \
  MT_PLACES_16                                                        \
  ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"  \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define MT_PLACES_128                                                            \
  MT_PLACES_64                                                                   \
  ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"            \
  "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"             \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111," \
  "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"

template <class T, int kCols>
MT_DEVICE void wgmma(float (&c)[kCols][4], uint64_t a, uint64_t b);
// The constants after the accumulators and descriptors say: add to c, negate neither a nor b, both are K-major.
#define MT_WGMMA(T, type, cols, n, places, accumulators, a_place, b_place)                                     \
  template <>                                                                                                  \
  MT_DEVICE void wgmma<T, cols>(float(&c)[cols][4], uint64_t a, uint64_t b) {                                  \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." type " {" places "}, " a_place ", " b_place \
                 ", 1, 1, 1, 0, 0;"                                                                            \
                 : accumulators                                                                                \
                 : "l"(a), "l"(b));                                                                            \
  }
#define MT_WGMMA_TYPE(T, type)                                      \
  MT_WGMMA(T, type, 4, 32, MT_PLACES_16, MT_C4(0), "%16", "%17")    \
  MT_WGMMA(T, type, 16, 128, MT_PLACES_64, MT_C16(0), "%64", "%65") \
  MT_WGMMA(T, type, 32, 256, MT_PLACES_128, MT_C32(0), "%128", "%129")
MT_WGMMA_TYPE(bf16, "bf16.bf16")
MT_WGMMA_TYPE(f16, "f16.f16")

}  // namespace mt::MT_TARGET

#undef MT_WGMMA_TYPE
#undef MT_WGMMA
#undef MT_PLACES_128
#undef MT_PLACES_64
#undef MT_PLACES_16
#undef MT_C32
#undef MT_C16
#undef MT_C4
#undef MT_C1
