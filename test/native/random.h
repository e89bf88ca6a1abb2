// Random numbers for tests. They come from the generator of native/check.
#pragma once
#include "check/random.h"

namespace mt::test {

using check::Random;
using check::random;
using check::round_to;

}  // namespace mt::test
