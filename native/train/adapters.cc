// The four matrices of each adapter lie in one piece of memory.
#include "adapters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "../base/sizes.h"

namespace mt {
namespace {

struct Module {
  const char* name;
  AdapterTarget target;
};
constexpr Module kModules[] = {{"self_attn.q_proj", AdapterTarget::kQ}, {"self_attn.k_proj", AdapterTarget::kK},
                               {"self_attn.v_proj", AdapterTarget::kV}, {"self_attn.o_proj", AdapterTarget::kO},
                               {"mlp.gate_proj", AdapterTarget::kGate}, {"mlp.up_proj", AdapterTarget::kUp},
                               {"mlp.down_proj", AdapterTarget::kDown}};

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); }

// [in, out] of a module.
std::pair<int, int> shape_of(AdapterTarget target, const LlamaConfig& c) {
  switch (target) {
    case AdapterTarget::kQ:
      return {c.hidden_size, c.q_size()};
    case AdapterTarget::kK:
    case AdapterTarget::kV:
      return {c.hidden_size, c.kv_size()};
    case AdapterTarget::kO:
      return {c.q_size(), c.hidden_size};
    case AdapterTarget::kGate:
    case AdapterTarget::kUp:
      return {c.hidden_size, c.intermediate_size};
    case AdapterTarget::kDown:
      return {c.intermediate_size, c.hidden_size};
  }
  throw Error(ErrorCode::INTERNAL, "a target of adapters that does not exist");
}

}  // namespace

ModelAdapters::ModelAdapters(Llama& model, const std::vector<AdapterSpec>& specs) : model_(model) {
  if (specs.empty()) fail("a list of adapters without any");
  Weights& weights = model.weights();
  if (weights.adapter_rank > 0) fail("the model has adapters already, of another trainer");
  for (const AdapterSpec& spec : specs) place(spec);

  Backend& backend = model.backend();
  const LlamaConfig& config = model.config();
  const DType dtype = model.head().dtype;
  // Calls fn(adapter's matrix, rows, cols) for all matrices.
  const auto for_matrices = [&](const auto& fn) {
    for (const Place& p : places_) {
      const int rank = p.spec.rank;
      fn(p, &Adapter::a, rank, p.in);
      fn(p, &Adapter::b, p.out, rank);
      fn(p, &Adapter::a_t, p.in, rank);
      fn(p, &Adapter::b_t, rank, p.out);
    }
  };
  const auto bytes_of = [&](int rows, int cols) {
    return placed_bytes(backend.matrix_bytes(rows, cols, MatrixKind::kPlain, config.head_shape(), dtype));
  };
  size_t bytes = 0;
  for_matrices([&](const Place&, auto, int rows, int cols) { bytes += bytes_of(rows, cols); });
  memory_ = backend.allocate(bytes);
  auto* at = static_cast<std::byte*>(memory_->data());
  try {
    for_matrices([&](const Place& p, auto matrix, int rows, int cols) {
      auto& adapters = weights.layers[p.layer].adapters;
      if (!adapters) adapters = std::make_unique<LayerAdapters>();
      adapter(p).*matrix = backend.create_matrix(rows, cols, MatrixKind::kPlain, config.head_shape(), dtype, at);
      at += bytes_of(rows, cols);
    });
  } catch (...) {
    clear();
    throw;
  }
  for (const Place& p : places_) {
    adapter(p).rank = p.spec.rank;
    weights.adapter_rank = std::max(weights.adapter_rank, p.spec.rank);
  }
}

ModelAdapters::~ModelAdapters() { clear(); }

void ModelAdapters::clear() {
  for (LayerWeights& layer : model_.weights().layers) layer.adapters = nullptr;
  model_.weights().adapter_rank = 0;
}

void ModelAdapters::place(const AdapterSpec& spec) {
  const LlamaConfig& config = model_.config();
  for (int l = 0; l < config.layers; l++)
    for (const Module& module : kModules) {
      if (spec.module != "model.layers." + std::to_string(l) + "." + module.name) continue;
      const auto [in, out] = shape_of(module.target, config);
      if (spec.rank < 1 || spec.rank > std::max(in, out))
        fail(spec.module + " has an adapter of rank " + std::to_string(spec.rank) + ", expected 1 .. " +
             std::to_string(std::max(in, out)));
      if (!std::isfinite(spec.scale)) fail(spec.module + " has an adapter whose scale is not finite");
      for (const Place& other : places_)
        if (other.spec.module == spec.module) fail(spec.module + " has two adapters");
      places_.push_back({spec, l, module.target, in, out});
      return;
    }
  fail("\"" + spec.module + "\" is no linear map of this model's layers");
}

Adapter& ModelAdapters::adapter(const Place& place) {
  return (*model_.weights().layers[place.layer].adapters)[place.target];
}

std::vector<TrainedTensor> ModelAdapters::tensors() {
  std::vector<TrainedTensor> tensors;
  BackwardOps& ops = *model_.backend().backward();
  for (const Place& p : places_) {
    Adapter& own = adapter(p);
    const float scale = p.spec.scale;
    const Dimension rank = {p.spec.rank}, in = {p.in}, out = {p.out};
    tensors.push_back({.parameters = {{p.spec.module + ".lora_A.weight", rank, in}},
                       .place = &own.a,
                       .weight = {},
                       .publish = [&ops, &own, scale](View a) {
                         ops.repack(*own.a, a, scale);
                         ops.repack_transposed(*own.a_t, a, 1);
                       }});
    tensors.push_back({.parameters = {{p.spec.module + ".lora_B.weight", out, rank}},
                       .place = &own.b,
                       .weight = {},
                       .publish = [&ops, &own, scale](View b) {
                         ops.repack(*own.b, b);
                         ops.repack_transposed(*own.b_t, b, scale);
                       }});
  }
  return tensors;
}

}  // namespace mt
