// A NaN or an infinity never leaves the rows that see it, on the CUDA backend. Built twice (cuda_target.h).
#include "check.h"
#include "cuda_target.h"
#include "row_isolation.h"
#include "sanitizer.h"

int main() {
  using namespace mt;
  using namespace mt::test;
  if (no_device()) return kSkipped;
  const int step = kSanitized ? 97 : reduced() ? 37 : kFibers ? 7 : 1;
  const auto test = [step](DType dtype) {
    ops_keep_rows_apart(*MT_TARGET::make_backend(0), dtype, false, step);
    requests_keep_apart(MT_TARGET::make_backend(0), dtype, false);
  };
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) test(dtype);
#ifdef MT_DEVICE_HOST
  pretend_capability(9);
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) test(dtype);
#endif
  return finish("cuda_isolation_test");
}
