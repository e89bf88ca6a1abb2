// An allocation that fails in the reference and in the backend for CPUs.
#include "out_of_memory_sweep.h"

int main() {
  using namespace mt;
  using namespace mt::test;
  Sweep({"reference", 1, 70, make_reference_backend}, DType::kFloat32).run();
  Sweep({"cpu, one thread", 1, 70, [] { return make_cpu_backend(1); }}, DType::kFloat32).run();
  Sweep({"cpu, three threads", 1, 70, [] { return make_cpu_backend(3); }}, DType::kBFloat16).run();
  return finish("out_of_memory_test");
}
