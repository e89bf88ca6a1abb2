// The CPU backend over a given table of kernels: for make_cpu_backend() and for tests that bring their own table.
#pragma once
#include <memory>

#include "../backend.h"
#include "kernels.h"

namespace mt::cpu {

std::unique_ptr<Backend> make_backend(const CpuKernels& kernels, int threads);

}  // namespace mt::cpu
