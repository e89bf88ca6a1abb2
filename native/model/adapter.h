// Low-rank adapters of a layer's linear maps (LoRA, Hu et al. 2021): y = x w^T becomes x w^T + scale (x a^T) b^T.
#pragma once
#include <array>
#include <memory>

#include "../backend/weight_store.h"

namespace mt {

// The maps of a layer that may have an adapter, in the order of the forward pass.
enum class AdapterTarget : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr size_t kAdapterTargets = 7;

// Null matrices: there is no adapter.
struct Adapter {
  int rank = 0;
  std::unique_ptr<Matrix> a;    // [rank, in], times the scale
  std::unique_ptr<Matrix> b;    // [out, rank]
  std::unique_ptr<Matrix> a_t;  // [in, rank], without the scale: for the backward pass
  std::unique_ptr<Matrix> b_t;  // [rank, out], times the scale
};

struct LayerAdapters {
  Adapter& operator[](AdapterTarget target) { return adapters[static_cast<size_t>(target)]; }
  const Adapter& operator[](AdapterTarget target) const { return adapters[static_cast<size_t>(target)]; }

  std::array<Adapter, kAdapterTargets> adapters;
};

}  // namespace mt
