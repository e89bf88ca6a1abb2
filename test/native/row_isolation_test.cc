// A NaN or an infinity never leaves the rows that see it: every op of the reference and of the CPU backend, in every
// variant of kernels.inc, and whole requests.
#include "row_isolation.h"

#include <algorithm>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "check.h"
#include "model_kernels.h"
#include "sanitizer.h"

int main() {
  using namespace mt;
  using namespace mt::test;
  constexpr int kStep = kThreadSanitized ? 23 : kSanitized ? 7 : 1;
  const std::vector<std::string> native = cpu_variants();
  const std::vector<cpu::CpuKernels> models = model_kernels();
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    ops_keep_rows_apart(*make_reference_backend(), dtype, true, kStep);
    requests_keep_apart(make_reference_backend(), dtype, true);
    const auto test = [dtype](const cpu::CpuKernels& kernels, int step) {
      ops_keep_rows_apart(*cpu::make_backend(kernels, 2), dtype, true, step);
      requests_keep_apart(cpu::make_backend(kernels, 2), dtype, true);
    };
#define X(name) \
  if (std::find(native.begin(), native.end(), #name) != native.end()) test(cpu::kernels_##name(), kStep);
#include "backend/cpu/kernels.inc"
#undef X
    for (const cpu::CpuKernels& kernels : models) test(kernels, 3 * kStep);
  }
  return finish("row_isolation_test");
}
