// The four matrices of each adapter lie in one piece of memory.
#include "adapters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "../base/sizes.h"

namespace mt {
namespace {

// A linear map as one of those that are a product.
struct MapShape {
  const char* module;
  LayerProduct product;
  int row, rows;  // of the product's weight
};

std::array<MapShape, 7> maps_of(const LlamaConfig& c) {
  const int dim = c.hidden_size, q = c.q_size(), kv = c.kv_size(), ffn = c.intermediate_size;
  return {{{"self_attn.q_proj", LayerProduct::kQkv, 0, q},
           {"self_attn.k_proj", LayerProduct::kQkv, q, kv},
           {"self_attn.v_proj", LayerProduct::kQkv, q + kv, kv},
           {"self_attn.o_proj", LayerProduct::kO, 0, dim},
           {"mlp.gate_proj", LayerProduct::kGateUp, 0, ffn},
           {"mlp.up_proj", LayerProduct::kGateUp, ffn, ffn},
           {"mlp.down_proj", LayerProduct::kDown, 0, dim}}};
}

const Matrix& weight_of(const LayerWeights& layer, LayerProduct product) {
  switch (product) {
    case LayerProduct::kQkv:
      return *layer.qkv;
    case LayerProduct::kO:
      return *layer.o;
    case LayerProduct::kGateUp:
      return *layer.gate_up;
    case LayerProduct::kDown:
      return *layer.down;
  }
  throw Error(ErrorCode::INTERNAL, "a product of layers that does not exist");
}

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); }

void check_spec(const AdapterSpec& spec, int in, int out) {
  if (spec.rank < 1 || spec.rank > std::max(in, out))
    fail(spec.module + " has an adapter of rank " + std::to_string(spec.rank) + ", expected 1 .. " +
         std::to_string(std::max(in, out)));
  if (!std::isfinite(spec.scale)) fail(spec.module + " has an adapter whose scale is not finite");
}

}  // namespace

ModelAdapters::ModelAdapters(Llama& model, const std::vector<AdapterSpec>& specs)
    : model_(model), places_(places_of(specs)) {
  try {
    create_matrices();
  } catch (...) {
    clear();
    throw;
  }
}

ModelAdapters::~ModelAdapters() { clear(); }

std::vector<ModelAdapters::Place> ModelAdapters::places_of(const std::vector<AdapterSpec>& specs) const {
  if (specs.empty()) fail("a list of adapters without any");
  if (model_.weights().adapter_rank > 0) fail("the model has adapters already, of another trainer");
  std::unordered_map<std::string, const AdapterSpec*> by_module;
  for (const AdapterSpec& spec : specs)
    if (!by_module.emplace(spec.module, &spec).second) fail(spec.module + " has two adapters");

  std::vector<Place> places;
  for (int l = 0; l < model_.config().layers; l++) {
    for (const MapShape& map : maps_of(model_.config())) {
      const auto found = by_module.find("model.layers." + std::to_string(l) + "." + map.module);
      if (found == by_module.end()) continue;
      const AdapterSpec& spec = *found->second;
      check_spec(spec, weight_of(model_.weights().layers[l], map.product).cols, map.rows);
      if (places.empty() || places.back().layer != l || places.back().product != map.product)
        places.push_back({l, map.product, {}});
      places.back().maps.push_back({spec, map.row, map.rows});
      by_module.erase(found);
    }
  }
  for (const AdapterSpec& spec : specs)
    if (by_module.count(spec.module)) fail("\"" + spec.module + "\" is no linear map of this model's layers");
  return places;
}

void ModelAdapters::create_matrices() {
  Backend& backend = model_.backend();
  Weights& weights = model_.weights();
  const HeadShape heads = model_.config().head_shape();
  const DType dtype = model_.head().dtype;
  for (const Place& p : places_) {
    auto& adapters = weights.layers[p.layer].adapters;
    if (!adapters) adapters = std::make_unique<LayerAdapters>();
    Adapter& own = adapter(p);
    for (const Map& map : p.maps) {
      own.maps.push_back({map.row, map.rows, own.rank, map.spec.rank});
      own.rank += map.spec.rank;
    }
  }
  // Calls fn(matrix, rows, cols, kind) for all matrices of the adapters.
  const auto for_matrices = [&](const auto& fn) {
    for (const Place& p : places_) {
      Adapter& own = adapter(p);
      const Matrix& w = weight_of(weights.layers[p.layer], p.product);
      fn(own.a, own.rank, w.cols, MatrixKind::kPlain);
      fn(own.b, w.rows, own.rank, w.kind);
      fn(own.a_t, w.cols, own.rank, MatrixKind::kPlain);
      fn(own.b_t, own.rank, w.rows, MatrixKind::kPlain);
    }
  };
  const auto bytes_of = [&](int rows, int cols, MatrixKind kind) {
    return placed_bytes(backend.matrix_bytes(rows, cols, kind, heads, dtype));
  };
  size_t bytes = 0;
  for_matrices([&](auto&, int rows, int cols, MatrixKind kind) { bytes = sum_of(bytes, bytes_of(rows, cols, kind)); });
  memory_ = backend.allocate(bytes);
  auto* at = static_cast<std::byte*>(memory_->data());
  std::vector<float> zeros;
  for_matrices([&](auto& matrix, int rows, int cols, MatrixKind kind) {
    matrix = backend.create_matrix(rows, cols, kind, heads, dtype, at);
    at += bytes_of(rows, cols, kind);
    // Between the maps' blocks numbers stay zero.
    zeros.resize(std::max(zeros.size(), size_t(rows) * cols));
    backend.write_rows(*matrix, 0, rows, zeros.data());
  });
  backend.finish_rows();
  for (const Place& p : places_) weights.adapter_rank = std::max(weights.adapter_rank, adapter(p).rank);
}

void ModelAdapters::clear() {
  for (LayerWeights& layer : model_.weights().layers) layer.adapters = nullptr;
  model_.weights().adapter_rank = 0;
}

Adapter& ModelAdapters::adapter(const Place& place) {
  return (*model_.weights().layers[place.layer].adapters)[place.product];
}

std::vector<TrainedTensor> ModelAdapters::tensors() {
  std::vector<TrainedTensor> tensors;
  BackwardOps& ops = *model_.backend().backward();
  for (const Place& p : places_) {
    Adapter& own = adapter(p);
    const int in = own.a->cols;
    std::vector<Parameter> stacked;
    for (const Map& map : p.maps) stacked.push_back({map.spec.module + ".lora_A.weight", {map.spec.rank}, {in}});
    tensors.push_back({.parameters = std::move(stacked),
                       .place = &own.a,
                       .weight = {},
                       .publish = [&ops, &own, &maps = p.maps](View a) {
                         for (size_t i = 0; i < maps.size(); i++) {
                           const MapAdapter& map = own.maps[i];
                           ops.repack(*own.a, a.part(map.col, map.rank), maps[i].spec.scale, map.col);
                         }
                         ops.repack_transposed(*own.a_t, a);
                       }});
    for (size_t i = 0; i < p.maps.size(); i++) {
      const AdapterSpec& spec = p.maps[i].spec;
      const MapAdapter& map = own.maps[i];
      tensors.push_back({.parameters = {{spec.module + ".lora_B.weight", {map.rows}, {map.rank}}},
                         .place = &map,
                         .weight = {},
                         .publish = [&ops, &own, &map, scale = spec.scale](View b) {
                           ops.repack(*own.b, b, 1, map.row, map.col);
                           ops.repack_transposed(*own.b_t, b, scale, map.col, map.row);
                         }});
    }
  }
  return tensors;
}

}  // namespace mt
