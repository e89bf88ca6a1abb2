// Numbers for tests: those the op bench makes.
#pragma once
#include "bench/random.h"

namespace mt::test {

using bench::Random;
using bench::random;
using bench::round_to;

}  // namespace mt::test
