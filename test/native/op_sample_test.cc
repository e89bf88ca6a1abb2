// Sampling on the reference and on the CPU backend, in every variant of kernels.inc that this processor has.
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/dispatch.h"
#include "sample_own_logits.h"

int main() {
  using namespace mt;
  using namespace mt::test;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    sample_own_logits(*make_reference_backend(), dtype);
    for (const std::string& variant : cpu_variants()) {
#define X(name) \
  if (variant == #name) sample_own_logits(*cpu::make_backend(cpu::kernels_##name(), 2), dtype);
#include "backend/cpu/kernels.inc"
#undef X
    }
  }
  return finish("op_sample_test");
}
