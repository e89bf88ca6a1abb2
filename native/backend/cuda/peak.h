// What a GPU can do at most.
#pragma once
#include "../peak.h"
#include "target.h"

namespace mt::MT_TARGET {

// Multiply-adds in float32, tensor cores by mma.sync in bf16 and f16, and reading memory. Takes sixteen times the L2
// and a second. Throws DEVICE_UNAVAILABLE, ABORTED, OUT_OF_MEMORY.
Peaks measure_peaks(int ordinal, const Control& control);

}  // namespace mt::MT_TARGET
