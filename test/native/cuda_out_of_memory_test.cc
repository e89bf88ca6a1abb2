// An allocation that fails in the CUDA backend's host code, or for memory of the device, which is the host's memory in
// the simulator.
#include "cuda_target.h"
#include "out_of_memory_sweep.h"

int main() {
  using namespace mt;
  using namespace mt::test;
  is_exempt = host_device::is_simulating;
  for (const int capability : {8, 9}) {
    pretend_capability(capability);
    Sweep({"cuda " + std::to_string(capability) + ".x", capability == 9 ? 16 : 5, 6,
           [] { return MT_TARGET::make_backend(0); }},
          DType::kBFloat16)
        .run();
  }
  return finish("cuda_out_of_memory_test");
}
