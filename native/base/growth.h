// How memory that is kept for the next use grows.
#pragma once
#include <cstddef>

namespace mt {

// Bytes to take in place of `held` where `asked` are needed: a quarter more than before at least, so that what grows a
// little at a time seldom asks for more; no more than is needed where that is over half of the `free` bytes.
constexpr size_t grown(size_t held, size_t asked, size_t free) {
  const size_t more = held + held / 4;
  return more > asked && more <= free / 2 ? more : asked;
}

}  // namespace mt
