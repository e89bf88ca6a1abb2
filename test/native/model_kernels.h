// The tile logic of the vector variants over scalar models of their instructions, for processors that lack them.
#pragma once
#include <vector>

#include "backend/cpu/kernels.h"

namespace mt::test {

// "avx2 model", "avx512 model", "avx512_bf16 model", "amx_bf16 model".
std::vector<cpu::CpuKernels> model_kernels();

}  // namespace mt::test
