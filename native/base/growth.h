// The growth of memory that is kept for later use.
#pragma once
#include <cstddef>

namespace mt {

// Bytes to allocate in place of `held` bytes when `asked` are needed: at least a quarter more than before, so that
// memory which grows a little at a time is seldom allocated anew. If that is over half of the `free` bytes, it is
// `asked`.
constexpr size_t grown(size_t held, size_t asked, size_t free) {
  const size_t more = held + held / 4;
  return more > asked && more <= free / 2 ? more : asked;
}

}  // namespace mt
