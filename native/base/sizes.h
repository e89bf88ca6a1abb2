// Sums and products of sizes, refused where 64 bits cannot count them: wrapped around they would be a small piece of
// memory that is written past its end.
#pragma once
#include <cstddef>
#include <initializer_list>

#include "error.h"

namespace mt {

[[noreturn]] inline void fail_uncountable() {
  throw Error(ErrorCode::OUT_OF_MEMORY, "the sizes ask for more bytes than 64 bits count");
}

// Throws OUT_OF_MEMORY, as does the one below.
constexpr size_t sum_of(size_t a, size_t b) {
  size_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) fail_uncountable();
  return sum;
}

constexpr size_t product_of(std::initializer_list<size_t> factors) {
  size_t product = 1;
  for (const size_t factor : factors)
    if (__builtin_mul_overflow(product, factor, &product)) fail_uncountable();
  return product;
}

// Where each matrix, vector and view begins in a piece of memory that several share: whole cache lines, and more than
// any load or copy needs.
inline constexpr size_t kPlaceAlignment = 256;

// The bytes that one of this size takes there. Throws OUT_OF_MEMORY.
constexpr size_t placed_bytes(size_t bytes) {
  return sum_of(bytes, kPlaceAlignment - 1) / kPlaceAlignment * kPlaceAlignment;
}

}  // namespace mt
