// The variants' tile logic over scalar models of their instructions, so that it is tested on processors that lack them.
#pragma once
#include <vector>

#include "backend/cpu/kernels.h"

namespace mt::test {

// Returns the models "avx2 model", "avx512 model", "avx512_bf16 model", "amx_bf16 model".
std::vector<cpu::CpuKernels> model_kernels();

}  // namespace mt::test
