// Vector primitives in portable C++ (compiler vectors). The scalar variant uses them, and so do the tests, to model
// wider instructions. The file is included inside an anonymous namespace with MT_LANES defined.

constexpr int kLanes = MT_LANES;
typedef float V __attribute__((vector_size(4 * MT_LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * MT_LANES)));

inline V set1(float x) {
  V v;
  for (int i = 0; i < kLanes; i++) v[i] = x;
  return v;
}
inline V zero() { return set1(0); }
inline V load(const float* p) {
  V v;
  memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, V v) { memcpy(p, &v, sizeof v); }
inline V load_n(const float* p, int n) {
  if (n >= kLanes) return load(p);
  V v = zero();
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
}
inline void store_n(float* p, V v, int n) {
  if (n >= kLanes) return store(p, v);
  for (int i = 0; i < n; i++) p[i] = v[i];
}
inline void store(uint16_t* p, V v) {
  for (int i = 0; i < kLanes; i++) p[i] = f32_to_bf16(v[i]);
}
inline void store_n(uint16_t* p, V v, int n) {
  for (int i = 0; i < n; i++) p[i] = f32_to_bf16(v[i]);
}
// Stores pairs of bf16: p[2 i] from a, p[2 i + 1] from b.
inline void store_pairs(uint16_t* p, V a, V b) {
  for (int i = 0; i < kLanes; i++) {
    p[2 * i] = f32_to_bf16(a[i]);
    p[2 * i + 1] = f32_to_bf16(b[i]);
  }
}
inline V load_bf16(const uint16_t* p) {
  V v;
  for (int i = 0; i < kLanes; i++) v[i] = bf16_to_f32(p[i]);
  return v;
}
inline V load_bf16_n(const uint16_t* p, int n) {
  V v = zero();
  for (int i = 0; i < n; i++) v[i] = bf16_to_f32(p[i]);
  return v;
}
// A multiplication corrects the exponent, which also handles subnormals. Results of 2^16 and above were infinities and
// NaNs.
inline V load_f16(const uint16_t* p) {
  Ints bits, sign;
  for (int i = 0; i < kLanes; i++) {
    bits[i] = (p[i] & 0x7fff) << 13;
    sign[i] = static_cast<int32_t>(uint32_t{p[i] & 0x8000u} << 16);
  }
  const V magnitude = (V)bits * set1(0x1p112f);
  const Ints special = magnitude >= set1(65536.0f);
  return (V)((Ints)magnitude | (special & 0x7f800000) | sign);
}
// Load the even or the odd elements of kLanes pairs of bf16.
inline V load_even(const uint16_t* p) {
  V v;
  for (int i = 0; i < kLanes; i++) v[i] = bf16_to_f32(p[2 * i]);
  return v;
}
inline V load_odd(const uint16_t* p) {
  V v;
  for (int i = 0; i < kLanes; i++) v[i] = bf16_to_f32(p[2 * i + 1]);
  return v;
}
inline V add(V a, V b) { return a + b; }
inline V sub(V a, V b) { return a - b; }
inline V mul(V a, V b) { return a * b; }
inline V div(V a, V b) { return a / b; }
inline V sqrt(V x) {
  for (int i = 0; i < kLanes; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
inline V fma(V a, V b, V c) { return a * b + c; }
inline V fnma(V a, V b, V c) { return c - a * b; }
// 1 / x, with an error of at most 2 ulp.
inline V reciprocal(V x) { return set1(1.0f) / x; }
inline V max(V a, V b) {
  const Ints m = a > b;
  return (V)(((Ints)a & m) | ((Ints)b & ~m));
}
inline V min(V a, V b) {
  const Ints m = a < b;
  return (V)(((Ints)a & m) | ((Ints)b & ~m));
}
// Rounds to the nearest integer, for |x| < 2^22.
inline V round_even(V x) { return (x + set1(12582912.0f)) - set1(12582912.0f); }
// x * 2^n for integral n in -126 .. 127
inline V scale_pow2(V x, V n) {
  Ints e = __builtin_convertvector(n, Ints);
  e = (e + 127) << 23;
  return x * (V)e;
}
inline float hsum(V v) {
  float t[kLanes];
  store(t, v);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) t[i] += t[i + n];
  return t[0];
}
inline float hmax(V v) {
  float m = v[0];
  for (int i = 1; i < kLanes; i++) m = v[i] > m ? v[i] : m;
  return m;
}
inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void transpose_block(const float* x, ptrdiff_t ldx, float* y, ptrdiff_t ldy) {
  for (int i = 0; i < kLanes; i++)
    for (int j = 0; j < kLanes; j++) y[j * ldy + i] = x[i * ldx + j];
}
