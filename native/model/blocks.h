// ggml's blocks: numbers packed with a scale, as GGUF files hold them. stored.h has the table of their sizes.
#pragma once
#include <cstdint>

namespace mt {

// Each function decodes one block, which needs no alignment, in float32: products and sums are rounded one by one, in
// the order of the brackets, so that the values are those of gguf-py and of ggml's own dequantize_row functions, bit
// for bit.
//
// Layouts and formulas are from the structs of ggml-common.h and from gguf-py's quants.py. A row lists the parts of a
// block in the order of its bytes, all little-endian. Among them are
//   d, m, dmin   f16
//   q            the low bits of the quants. 4 bits: of 32 values in 16 bytes, the low nibbles are the first 16 and the
//                high nibbles the other 16.
//   h            further bits of the quants, above those of q
//   s, t         the scale, and the minimum, of a group of values; where one is cut in two, low bits come first
// and values are numbered from 0 in their block.

// Blocks of 32 values.
//   Q8_0    d, 32 int8 q                   d q
//   Q4_0    d, 16 bytes q                  d (q - 8)
//   Q4_1    d, m, 16 bytes q               d q + m
//   Q5_0    d, 4 bytes h, 16 bytes q       d (q + 16 h - 16)      bit i of h belongs to value i
//   Q5_1    d, m, 4 bytes h, 16 bytes q    d (q + 16 h) + m       likewise
//   IQ4_NL  d, 16 bytes q                  d k[q]                 k are the 16 numbers of kLevels in blocks.cc
void decode_q8_0(const uint8_t* block, float* out);
void decode_q4_0(const uint8_t* block, float* out);
void decode_q4_1(const uint8_t* block, float* out);
void decode_q5_0(const uint8_t* block, float* out);
void decode_q5_1(const uint8_t* block, float* out);
void decode_iq4_nl(const uint8_t* block, float* out);

// Blocks of 256 values, in groups of 16 or 32 with a scale each.
//   Q2_K    16 bytes s and t, 64 bytes q, d, dmin                   (d s) q - (dmin t)
//           Groups of 16; a byte holds s in its low nibble and t in its high one. Each 32 bytes of q hold 128 values:
//           bits 2 j and 2 j + 1 of byte i are value 32 j + i of them.
//   Q3_K    32 bytes h, 64 bytes q, 12 bytes s, d                   (d (s - 32)) (q + 4 h - 4)
//           Groups of 16. q as in Q2_K; bit j of byte i of h is value 32 j + i. The low four bits of s are the nibbles
//           of 8 bytes, low nibbles first; the two bits above them lie in the other 4 bytes as q's do in 32.
//   Q4_K    d, dmin, 12 bytes s and t, 128 bytes q                  (d s) q - (dmin t)
//           Groups of 32. Each 32 bytes of q hold 64 values: low nibbles the first 32, high nibbles the others. s and t
//           have six bits: those of groups 0 to 3 are the low six bits of bytes 0 to 3 and 4 to 7. Groups 4 to 7 have
//           the low four bits of s and t as low and high nibble of bytes 8 to 11, and the two above as the upper bits
//           of bytes 0 to 7.
//   Q5_K    d, dmin, 12 bytes s and t, 32 bytes h, 128 bytes q      (d s) (q + 16 h) - (dmin t)
//           As Q4_K; bit j of byte i of h is value 32 j + i.
//   Q6_K    128 bytes q, 64 bytes h, 16 int8 s, d                   (d s) (q + 16 h - 32)
//           Groups of 16. Each 64 bytes of q hold 128 values, low nibbles the first 64; each 32 bytes of h hold two
//           bits of the same 128, as q of Q2_K.
//   IQ4_XS  d, 2 and 4 bytes s, 128 bytes q                         (d (s - 32)) k[q]
//           Groups of 32, each with 16 bytes of q. The two high bits of s come first, those of group g at bits 2 g and
//           2 g + 1 of a 16-bit number; then the low four bits as nibbles, two groups a byte. k as in IQ4_NL.
void decode_q2_k(const uint8_t* block, float* out);
void decode_q3_k(const uint8_t* block, float* out);
void decode_q4_k(const uint8_t* block, float* out);
void decode_q5_k(const uint8_t* block, float* out);
void decode_q6_k(const uint8_t* block, float* out);
void decode_iq4_xs(const uint8_t* block, float* out);

// Encodes 32 values as ggml's quantize_row_q8_0_ref does: d = max |x| / 127 in float32, q = x * (1 / d) rounded to
// nearest, halves away from 0; d is stored as f16. Where d is so small that 1 / d is not finite, all q are 0, as is the
// stored d.
void encode_q8_0(const float* values, uint8_t* block);

}  // namespace mt
