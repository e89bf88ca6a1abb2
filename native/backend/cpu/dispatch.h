// Which variants this processor can run, and the one in use.
#pragma once
#include "kernels.h"

namespace mt::cpu {

// The best variant of the processor, or $MT_LLAMA_CPU; throws DEVICE_UNAVAILABLE where that is not to be had.
const CpuKernels& choose_kernels();

}  // namespace mt::cpu
