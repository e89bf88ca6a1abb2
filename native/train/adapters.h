// Adapters that are trained: their matrices in the model, and what the optimizer keeps of them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../model/llama.h"
#include "parameters.h"

namespace mt {

// An adapter of one linear map.
struct AdapterSpec {
  std::string module;  // model.layers.0.self_attn.q_proj
  int rank = 0;
  float scale = 0;  // of its product
};

// Puts adapters on a model, which has none, for as long as the object lives. They are zero until their a and b are
// written.
class ModelAdapters {
 public:
  // Throws INVALID_ARGUMENT for a module that the model has not, one that is there twice, a rank below 1 or a scale
  // that is not finite; OUT_OF_MEMORY.
  ModelAdapters(Llama& model, const std::vector<AdapterSpec>& specs);
  ~ModelAdapters();
  ModelAdapters(const ModelAdapters&) = delete;

  // MODULE.lora_A.weight [rank, in] and MODULE.lora_B.weight [out, rank] of each.
  std::vector<TrainedTensor> tensors();

 private:
  struct Map {
    AdapterSpec spec;
    int row, rows;  // of the product's weight
  };
  // A product with adapters of some of its maps, which are in the order of their rows.
  struct Place {
    int layer;
    LayerProduct product;
    std::vector<Map> maps;
  };

  std::vector<Place> places_of(const std::vector<AdapterSpec>& specs) const;
  void create_matrices();
  void clear();
  Adapter& adapter(const Place& place);

  Llama& model_;
  const std::vector<Place> places_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace mt
