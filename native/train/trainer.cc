// The forward pass that keeps what the backward pass needs, and the backward pass, which reads like it from the end.
#include "trainer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "../model/pack_check.h"
#include "../model/views.h"

namespace mt {
namespace {

View rows_of(View view, int rows) {
  view.rows = rows;
  return view;
}

// Those of a layer, of which what the feed-forward network works in has so many rows.
LayerActivations with_rows(LayerActivations act, int rows) {
  act.h.rows = act.gate_up.rows = act.f.rows = rows;
  return act;
}

BackwardOps& backward_of(Llama& model) {
  if (model.config().head_norms)
    throw Error(ErrorCode::INVALID_ARGUMENT, "models with norms of heads (Qwen3) cannot be trained");
  BackwardOps* ops = model.backend().backward();
  const bool halves = model.activation_dtype() == DType::kFloat16;
  if (ops && !halves) return *ops;
  throw Error(ErrorCode::INVALID_ARGUMENT,
              "the device \"" + model.backend().name() + "\" cannot train" + (halves ? " in float16" : ""));
}

// The matrix of which `w` will be the transposed: the widest is the head, or a layer's.
size_t transposed_bytes(const Backend& backend, const LlamaConfig& c, DType dtype) {
  const auto bytes = [&](int rows, int cols) {
    return backend.matrix_bytes(rows, cols, MatrixKind::kPlain, c.head_shape(), dtype);
  };
  return std::max({bytes(c.hidden_size, c.vocab_size), bytes(c.hidden_size, c.q_size() + 2 * c.kv_size()),
                   bytes(c.q_size(), c.hidden_size), bytes(c.hidden_size, 2 * c.intermediate_size),
                   bytes(c.intermediate_size, c.hidden_size)});
}

// All that the model has learnt, as what is trained.
std::vector<TrainedTensor> tensors_of(Llama& model) {
  std::vector<TrainedTensor> tensors;
  BackwardOps& ops = *model.backend().backward();
  for (Slot& slot : make_slots(model.config(), model.weights())) {
    TrainedTensor tensor = {.parameters = std::move(slot.parameters), .place = {}, .weight = {}, .publish = {}};
    if (slot.matrix) {
      tensor.place = slot.matrix;
      tensor.publish = [&ops, matrix = slot.matrix->get()](View weight) { ops.repack(*matrix, weight); };
    } else {
      tensor.place = slot.vector;
      tensor.weight = *slot.vector;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// Copies the model's matrices to the originals.
void read_weights(Llama& model, const TrainedParameters& parameters) {
  for (const Slot& slot : make_slots(model.config(), model.weights())) {
    if (slot.matrix) model.backend().backward()->read_rows(**slot.matrix, 0, parameters.weight(slot.matrix));
  }
}

}  // namespace

void check_request(const TrainRequest& request, const LlamaConfig& config) {
  const auto fail = [](const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); };
  check_pack(request.pack, config);
  const size_t rows = request.pack.rows.size();
  if (rows == 0) fail("a pack of which no row is scored");
  if (rows > INT32_MAX) fail("rows has " + std::to_string(rows) + " elements, expected at most 2147483647");
  check_rows(request.pack.rows, static_cast<int>(request.pack.ids.size()));
  if (request.targets.size() != rows || request.weights.size() != rows) {
    fail("rows, targets and weights have " + std::to_string(rows) + ", " + std::to_string(request.targets.size()) +
         " and " + std::to_string(request.weights.size()) + " elements, expected as many of each");
  }
  check_ids(request.targets, config.vocab_size, "targets");
  for (const float weight : request.weights) {
    if (!std::isfinite(weight)) fail("weights holds a number that is not finite");
  }
}

Trainer::Trainer(std::shared_ptr<Llama> model, const std::vector<AdapterSpec>& adapters, size_t kept_bytes)
    : model_(std::move(model)),
      ops_(backward_of(*model_)),
      kept_bytes_(kept_bytes),
      adapters_(adapters.empty() ? nullptr : std::make_unique<ModelAdapters>(*model_, adapters)),
      parameters_(model_->backend(), adapters_ ? adapters_->tensors() : tensors_of(*model_)) {
  if (adapters_)
    parameters_.zero_weights();
  else
    read_weights(*model_, parameters_);
  transposed_memory_ =
      model_->backend().allocate(transposed_bytes(model_->backend(), model_->config(), model_->head().dtype));
}

HeadLoss Trainer::forward_backward(const TrainRequest& request, const Control& control) {
  try {
    return run(request, control);
  } catch (...) {
    parameters_.zero_gradients();
    throw;
  }
}

double Trainer::step(StepOptions options) {
  const double norm = parameters_.gradient_norm();
  if (std::isfinite(norm)) {
    // The small number is PyTorch's, in torch.nn.utils.clip_grad_norm_.
    if (options.max_norm > 0)
      options.adamw.scale = std::min(1.0f, options.max_norm / (static_cast<float>(norm) + 1e-6f));
    parameters_.update(options.adamw, options.decay_vectors);
  }
  parameters_.zero_gradients();
  return norm;
}

HeadLoss Trainer::run(const TrainRequest& request, const Control& control) {
  const LlamaConfig& config = model_->config();
  const Pack& pack = request.pack;
  const int tokens = static_cast<int>(pack.ids.size()), rows = static_cast<int>(pack.rows.size());
  Activations act;
  const size_t bytes = place(act, tokens, rows, nullptr);
  if (!workspace_ || workspace_->bytes() < bytes) {
    workspace_.reset();
    workspace_ = model_->backend().allocate(bytes);
  }
  place(act, tokens, rows, static_cast<std::byte*>(workspace_->data()));
  const RopeTable rope = model_->rope(*std::max_element(pack.pos.begin(), pack.pos.end()) + 1);
  const auto placed = model_->backend().place(pack, config.head_shape(), model_->windows());
  const LayerPass pass = {model_->backend(), &ops_, config, *placed, rope, nullptr};
  forward(pass, act, control);
  const HeadLoss loss = head(request, act, control);
  backward(pass, act, control);
  return loss;
}

void Trainer::forward(const LayerPass& pass, Activations& act, const Control& control) {
  const Weights& weights = model_->weights();
  const int layers = pass.config.layers;
  pass.ops.embed(pass.pack, *weights.embedding, act.layers[0].x);
  for (int l = 0; l < layers; l++) {
    control.poll();
    const KeptLayer& kept = act.layers[l];
    attention(pass, l, kept);
    const bool last = l + 1 == layers;
    if (last) pass.ops.gather_rows(pass.pack, kept.middle, act.middle_scored);
    const View x = last ? act.middle_scored : kept.middle;
    feed_forward(pass, weights.layers[l], with_rows(kept.act, x.rows), x, last ? act.x_scored : act.layers[l + 1].x);
    control.report(l + 1, 3 * static_cast<uint64_t>(layers));
  }
}

void Trainer::attention(const LayerPass& pass, int l, const KeptLayer& kept) {
  const LayerWeights& layer = model_->weights().layers[l];
  const LayerActivations act = with_rows(kept.act, kept.x.rows);
  project_qkv(pass, layer, l, kept.x, act);
  attend(pass, layer, l, act, kept.x, kept.middle);
}

HeadLoss Trainer::head(const TrainRequest& request, Activations& act, const Control& control) {
  const Weights& weights = model_->weights();
  const float eps = model_->config().rms_norm_eps;
  const int rows = act.x_scored.rows;
  const View h = rows_of(act.h, rows), dh = rows_of(act.dh, rows);
  model_->backend().rms_norm(act.x_scored, weights.final_norm, eps, h);
  const Matrix& head = model_->head();
  const View dw = parameters_.gradient(weights.head ? &weights.head : &weights.embedding);
  const HeadLoss loss = ops_.head_loss(h, head, transposed(head), request.targets, request.weights, dh, dw, control);
  ops_.fill_zero(act.dx_scored);
  ops_.rms_norm_backward(act.x_scored, weights.final_norm, eps, dh, act.dx_scored,
                         parameters_.gradient(&weights.final_norm));
  return loss;
}

void Trainer::backward(const LayerPass& pass, Activations& act, const Control& control) {
  const Weights& weights = model_->weights();
  const int layers = pass.config.layers;
  for (int l = layers - 1; l >= 0; l--) {
    control.poll();
    const KeptLayer& kept = act.layers[l];
    const bool last = l + 1 == layers;
    const View x = last ? act.middle_scored : kept.middle;
    if (kept.recomputed) {
      attention(pass, l, kept);
      if (last) pass.ops.gather_rows(pass.pack, kept.middle, x);
      const LayerActivations again = with_rows(kept.act, x.rows);
      project_gate_up(pass, weights.layers[l], again, x);
      low_rank(pass, weights.layers[l], LayerProduct::kDown, again.f, again);
    }
    feed_forward_backward(pass, l, act, x, last ? act.dx_scored : act.dx);
    if (last) {
      ops_.fill_zero(act.dx);
      ops_.scatter_rows(pass.pack, act.dx_scored, act.dx);
    }
    attention_backward(pass, l, act);
    control.report(3 * static_cast<uint64_t>(layers) - 2 * l, 3 * static_cast<uint64_t>(layers));
  }
  const View dtable = parameters_.gradient(&weights.embedding);
  if (dtable.data) ops_.embed_backward(pass.pack, act.dx, dtable);
}

// x is the input of the second norm; dx becomes the gradient by it from that by the layer's output.
void Trainer::feed_forward_backward(const LayerPass& pass, int l, const Activations& act, View x, View dx) {
  const LayerWeights& layer = model_->weights().layers[l];
  const LayerActivations kept = with_rows(act.layers[l].act, x.rows);
  const float eps = pass.config.rms_norm_eps;
  const View h = kept.h, f = kept.f;
  const View dgate_up = rows_of(act.dgate_up, x.rows), dh = rows_of(act.dh, x.rows);
  const View dy = rounded(dx, act);
  LowRank added = low_rank_backward(layer, LayerProduct::kDown, dy, act);
  ops_.swiglu_backward(dy, transposed(*layer.down), kept.gate_up, f, dgate_up, added);
  add_weight_gradient(dy, f, &layer.down, &layer.down_bias);
  add_adapter_gradients(layer, LayerProduct::kDown, dy, f, kept, added.z);
  pass.ops.rms_norm(x, layer.ffn_norm, eps, h);
  added = low_rank_backward(layer, LayerProduct::kGateUp, dgate_up, act);
  ops_.product(dgate_up, transposed(*layer.gate_up), dh, added);
  add_weight_gradient(dgate_up, h, &layer.gate_up, &layer.gate_up_bias);
  add_adapter_gradients(layer, LayerProduct::kGateUp, dgate_up, h, kept, added.z);
  ops_.rms_norm_backward(x, layer.ffn_norm, eps, dh, dx, parameters_.gradient(&layer.ffn_norm));
}

// act.dx becomes the gradient by the layer's input from that by the output of its attention.
void Trainer::attention_backward(const LayerPass& pass, int l, const Activations& act) {
  const LayerWeights& layer = model_->weights().layers[l];
  const View x = act.layers[l].x, dh = rows_of(act.dh, x.rows);
  const LayerActivations kept = with_rows(act.layers[l].act, x.rows);
  const HeadShape shape = pass.config.head_shape();
  const float eps = pass.config.rms_norm_eps;
  const View dy = rounded(act.dx, act);
  LowRank added = low_rank_backward(layer, LayerProduct::kO, dy, act);
  ops_.product(dy, transposed(*layer.o), act.da, added);
  add_weight_gradient(dy, kept.a, &layer.o, &layer.o_bias);
  add_adapter_gradients(layer, LayerProduct::kO, dy, kept.a, kept, added.z);
  ops_.attention_backward(pass.pack, kept.q, kept.k, kept.v, kept.a, kept.log_sums, act.da, shape,
                          pass.config.window(l), act.dqkv);
  ops_.rope_backward(pass.pack, pass.rope, shape, act.dqkv);
  const View dqkv = rounded(act.dqkv, act);
  pass.ops.rms_norm(x, layer.attention_norm, eps, kept.h);
  added = low_rank_backward(layer, LayerProduct::kQkv, dqkv, act);
  ops_.product(dqkv, transposed(*layer.qkv), dh, added);
  add_weight_gradient(dqkv, kept.h, &layer.qkv, &layer.qkv_bias);
  add_adapter_gradients(layer, LayerProduct::kQkv, dqkv, kept.h, kept, added.z);
  ops_.rms_norm_backward(x, layer.attention_norm, eps, dh, act.dx, parameters_.gradient(&layer.attention_norm));
}

LowRank Trainer::low_rank_backward(const LayerWeights& layer, LayerProduct product, View dy, const Activations& act) {
  const Adapter* adapter = adapter_of(layer, product);
  if (!adapter) return {};
  View dz = act.dz;
  dz.rows = dy.rows;
  dz.cols = adapter->rank;
  ops_.product(dy, *adapter->b_t, dz);
  return {dz, adapter->a_t.get()};
}

void Trainer::add_weight_gradient(View dy, View x, const void* weight, const void* bias) {
  const View dw = parameters_.gradient(weight);
  if (dw.data) ops_.linear_backward(dy, x, dw, parameters_.gradient(bias));
}

void Trainer::add_adapter_gradients(const LayerWeights& layer, LayerProduct product, View dy, View x,
                                    const LayerActivations& kept, View dz) {
  const Adapter* adapter = adapter_of(layer, product);
  if (!adapter) return;
  const View z = z_of(kept, product, *adapter, x.rows);
  for (const MapAdapter& map : adapter->maps)
    ops_.linear_backward({dy, map.row, map.rows}, {z, map.col, map.rank}, parameters_.gradient(&map), {});
  ops_.linear_backward(dz, x, parameters_.gradient(&adapter->a), {});
}

// Returns dy in the type of the activations, which matrix products read.
View Trainer::rounded(View dy, const Activations& act) {
  if (model_->activation_dtype() == DType::kFloat32) return dy;
  View y = act.rounded;
  y.rows = dy.rows;
  y.cols = dy.cols;
  ops_.convert(dy, y);
  return y;
}

// Valid until the next call.
const Matrix& Trainer::transposed(const Matrix& w) {
  transposed_ = model_->backend().create_matrix(w.cols, w.rows, MatrixKind::kPlain, config().head_shape(), w.dtype,
                                                transposed_memory_->data());
  ops_.transpose(w, *transposed_);
  return *transposed_;
}

size_t Trainer::place(Activations& act, int tokens, int rows, std::byte* base) const {
  const LlamaConfig& c = model_->config();
  const int dim = c.hidden_size, q = c.q_size(), kv = c.kv_size(), ffn = c.intermediate_size, qkv = q + 2 * kv;
  const int most = std::max(tokens, rows), rank = model_->weights().adapter_rank;  // 0 without adapters
  const DType f32 = DType::kFloat32, type = model_->activation_dtype();
  act.middle_scored = act.x_scored = act.dx_scored = {nullptr, rows, dim, f32};
  act.h = {nullptr, most, dim, type};
  act.f = {nullptr, most, ffn, type};
  act.dx = {nullptr, tokens, dim, f32};
  act.dh = {nullptr, most, dim, f32};
  act.dgate_up = {nullptr, most, 2 * ffn, type};
  act.da = {nullptr, tokens, q, f32};
  act.dqkv = {nullptr, tokens, qkv, f32};
  act.rounded = {nullptr, type == f32 ? 0 : most, std::max(dim, qkv), type};
  act.dz = {nullptr, rank > 0 ? most : 0, rank, type};
  const size_t bytes = place_views(base, {&act.middle_scored, &act.x_scored, &act.h, &act.f, &act.dx, &act.dx_scored,
                                          &act.dh, &act.dgate_up, &act.da, &act.dqkv, &act.rounded, &act.dz});
  return bytes + place_layers(act, tokens, rows, base ? base + bytes : nullptr);
}

// The layers that are recomputed, which are the first ones, have one place for all but their inputs.
size_t Trainer::place_layers(Activations& act, int tokens, int rows, std::byte* base) const {
  const LlamaConfig& c = model_->config();
  const int dim = c.hidden_size, q = c.q_size(), kv = c.kv_size(), most = std::max(tokens, rows);
  const DType f32 = DType::kFloat32, type = model_->activation_dtype();
  size_t bytes = 0;
  const auto take = [&](std::initializer_list<View*> views) {
    bytes += place_views(base ? base + bytes : nullptr, views);
  };
  const auto take_layer = [&](KeptLayer& layer) {
    layer.middle = {nullptr, tokens, dim, f32};
    LayerActivations& l = layer.act;
    l = {.h = act.h,
         .q = {nullptr, tokens, q, f32},
         .k = {nullptr, tokens, kv, f32},
         .v = {nullptr, tokens, kv, f32},
         .a = {nullptr, tokens, q, type},
         .log_sums = {nullptr, tokens, c.heads, f32},
         .gate_up = {nullptr, most, 2 * c.intermediate_size, f32},
         .f = act.f,
         .z = {}};
    take({&layer.middle, &l.q, &l.k, &l.v, &l.a, &l.log_sums, &l.gate_up});
    for (View& z : l.z) {
      z = {nullptr, act.dz.rows, act.dz.cols, type};
      take({&z});
    }
  };
  act.layers.assign(c.layers, {.x = {nullptr, tokens, dim, f32}, .recomputed = true, .middle = {}, .act = {}});
  for (KeptLayer& layer : act.layers) take({&layer.x});
  const size_t inputs = bytes;
  take_layer(act.layers[0]);
  const size_t of_layer = bytes - inputs;
  const int recomputed = std::max(0, c.layers - static_cast<int>(std::min<size_t>(c.layers, kept_bytes_ / of_layer)));
  bytes = inputs;
  for (int l = 0; l < c.layers; l++) {
    KeptLayer& layer = act.layers[l];
    layer.recomputed = l < recomputed;
    if (l == 0 || !layer.recomputed) {
      take_layer(layer);
    } else {
      layer.middle = act.layers[0].middle;
      layer.act = act.layers[0].act;
    }
  }
  return bytes;
}

}  // namespace mt
