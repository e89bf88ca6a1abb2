// Vector primitives in AVX-512 (F, BW, VL, DQ). simd_portable.h defines what each of them does. The file is included
// inside an anonymous namespace in a target region, which has AVX512_BF16 if MT_BF16_INSTRUCTIONS is defined.

constexpr int kLanes = 16;
typedef __m512 V;

inline __mmask16 lanes_below(int n) { return static_cast<__mmask16>((1u << n) - 1); }
inline V set1(float x) { return _mm512_set1_ps(x); }
inline V zero() { return _mm512_setzero_ps(); }
inline V load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, V v) { _mm512_storeu_ps(p, v); }
inline V load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(lanes_below(n), p); }
inline void store_n(float* p, V v, int n) { _mm512_mask_storeu_ps(p, lanes_below(n), v); }
#ifdef MT_BF16_INSTRUCTIONS
inline __m256i to_bf16(V v) { return (__m256i)_mm512_cvtneps_pbh(v); }
inline void store_pairs(uint16_t* p, V a, V b) {
  const __m512i low = _mm512_cvtepu16_epi32(to_bf16(a)), high = _mm512_cvtepu16_epi32(to_bf16(b));
  _mm512_storeu_si512(p, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
#else
// Rounds to bf16 in the high half of each lane. The low half is meaningless.
inline __m512i rounded_bf16(V v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
}
inline __m256i to_bf16(V v) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bf16(v), 16)); }
inline void store_pairs(uint16_t* p, V a, V b) {
  const __m512i low = _mm512_srli_epi32(rounded_bf16(a), 16);
  _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xaaaaaaaa, low, rounded_bf16(b)));
}
#endif
inline void store(uint16_t* p, V v) { _mm256_storeu_si256((__m256i*)p, to_bf16(v)); }
inline void store_n(uint16_t* p, V v, int n) {
  if (n >= kLanes) return store(p, v);
  _mm256_mask_storeu_epi16(p, lanes_below(n), to_bf16(v));
}
inline V widen(__m256i h) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16)); }
inline V load_bf16(const uint16_t* p) { return widen(_mm256_loadu_si256((const __m256i*)p)); }
inline V load_bf16_n(const uint16_t* p, int n) { return widen(_mm256_maskz_loadu_epi16(lanes_below(n), p)); }
inline V load_f16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline V load_even(const uint16_t* p) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16)); }
inline V load_odd(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline V add(V a, V b) { return _mm512_add_ps(a, b); }
inline V sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V div(V a, V b) { return _mm512_div_ps(a, b); }
inline V sqrt(V x) { return _mm512_sqrt_ps(x); }
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
inline V reciprocal(V x) {
  const V y = _mm512_rcp14_ps(x);  // 14 bits, which one step of Newton's method doubles
  return mul(y, fnma(x, y, set1(2.0f)));
}
inline V max(V a, V b) { return _mm512_max_ps(a, b); }
inline V min(V a, V b) { return _mm512_min_ps(a, b); }
inline V round_even(V x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline V scale_pow2(V x, V n) { return _mm512_scalef_ps(x, n); }
inline float hsum(V v) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float hmax(V v) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
inline void prefetch(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }
// y[j * ldy + i] = x[i * ldx + j] for a block of 16 x 16
inline void transpose_block(const float* x, ptrdiff_t ldx, float* y, ptrdiff_t ldy) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(x + i * ldx);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; j++) {
      t[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0x88);
      t[i + j + 4] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0xdd);
    }
  for (int j = 0; j < 8; j++) {
    _mm512_storeu_ps(y + j * ldy, _mm512_shuffle_f32x4(t[j], t[j + 8], 0x88));
    _mm512_storeu_ps(y + (j + 8) * ldy, _mm512_shuffle_f32x4(t[j], t[j + 8], 0xdd));
  }
}
