// A backend is all that a device must do for LLaMA: hold memory, pack weights, run the ops.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backward_ops.h"
#include "device.h"
#include "forward_ops.h"
#include "weight_store.h"

namespace mt {

class Backend : public ComputeDevice, public WeightStore, public ForwardOps {
 public:
  // Null where the backend cannot train.
  virtual BackwardOps* backward() { return nullptr; }
};

// Plain scalar code on one thread: the definition with which the other backends are compared.
std::unique_ptr<Backend> make_reference_backend();

// The backend for CPUs. With 0 `threads` it uses one for each core. The instruction set is the best that the processor
// has, or the one that $MT_LLAMA_CPU names (of cpu_variants()). Throws DEVICE_UNAVAILABLE if the processor lacks that
// one.
std::unique_ptr<Backend> make_cpu_backend(int threads);

// The instruction sets that the processor has and that there are kernels for, the best first: amx_bf16, avx512_bf16,
// avx512, avx2, scalar.
std::vector<std::string> cpu_variants();

}  // namespace mt
