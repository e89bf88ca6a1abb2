// Random numbers for tests. They come from the generator of native/bench.
#pragma once
#include "bench/random.h"

namespace mt::test {

using bench::Random;
using bench::random;
using bench::round_to;

}  // namespace mt::test
