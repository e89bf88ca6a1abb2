// Low-rank adapters of a layer's linear maps (LoRA, Hu et al. 2021): y = x w^T becomes x w^T + scale (x a^T) b^T. Those
// of the maps that are one product stand side by side, so that they too are one.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "../backend/weight_store.h"

namespace mt {

// The products of a layer, in the order of the forward pass.
enum class LayerProduct : uint8_t { kQkv, kO, kGateUp, kDown };
inline constexpr size_t kLayerProducts = 4;

// The adapter of one of a product's maps.
struct MapAdapter {
  int row, rows;  // the map's rows of the product's weight
  int col, rank;  // its rows of a, and columns of b
};

// The adapters of a product's maps, in the order of their rows. Null matrices: it has none.
struct Adapter {
  std::vector<MapAdapter> maps;
  int rank = 0;                 // of all maps together
  std::unique_ptr<Matrix> a;    // [rank, in], times the scales
  std::unique_ptr<Matrix> b;    // [out, rank], of the weight's kind: zeros but in the maps' rows and columns
  std::unique_ptr<Matrix> a_t;  // [in, rank], without the scales: for the backward pass
  std::unique_ptr<Matrix> b_t;  // [rank, out], times the scales
};

struct LayerAdapters {
  Adapter& operator[](LayerProduct product) { return adapters[static_cast<size_t>(product)]; }
  const Adapter& operator[](LayerProduct product) const { return adapters[static_cast<size_t>(product)]; }

  std::array<Adapter, kLayerProducts> adapters;
};

}  // namespace mt
