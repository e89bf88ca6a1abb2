// Finds the variants that this processor can run, and chooses the one to use.
#pragma once
#include "kernels.h"

namespace mt::cpu {

// The best variant of the processor, or the one that $MT_LLAMA_CPU names. Throws DEVICE_UNAVAILABLE if the processor
// cannot run that one.
const CpuKernels& choose_kernels();

}  // namespace mt::cpu
