// A layer reads from top to bottom as the forward pass does.
#include "parameters.h"

#include <utility>

namespace mt {
namespace {

Slot matrix_slot(std::unique_ptr<Matrix>& matrix, MatrixKind kind, std::vector<Parameter> parameters) {
  return {.parameters = std::move(parameters), .kind = kind, .matrix = &matrix};
}

Slot vector_slot(View& vector, std::vector<Parameter> parameters) {
  return {.parameters = std::move(parameters), .vector = &vector};
}

}  // namespace

int Slot::rows() const {
  int sum = 0;
  for (const Parameter& parameter : parameters) sum += parameter.rows.size;
  return sum;
}

std::vector<Slot> make_slots(const LlamaConfig& c, Weights& weights) {
  const Dimension vocab = {c.vocab_size, "vocabSize"}, dim = {c.hidden_size, "hiddenSize"};
  const Dimension ffn = {c.intermediate_size, "intermediateSize"};
  const Dimension q = {c.q_size(), "heads headDim"}, kv = {c.kv_size(), "kvHeads headDim"};
  const Dimension head_dim = {c.head_dim, "headDim"};
  std::vector<Slot> slots;
  slots.push_back(matrix_slot(weights.embedding, MatrixKind::kPlain, {{"model.embed_tokens.weight", vocab, dim}}));
  weights.layers.resize(c.layers);
  for (int l = 0; l < c.layers; l++) {
    LayerWeights& layer = weights.layers[l];
    const std::string prefix = "model.layers." + std::to_string(l) + ".";
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    slots.push_back(vector_slot(layer.attention_norm, {{prefix + "input_layernorm.weight", dim}}));
    slots.push_back(matrix_slot(layer.qkv, MatrixKind::kQkv,
                                {{attention + "q_proj.weight", q, dim},
                                 {attention + "k_proj.weight", kv, dim},
                                 {attention + "v_proj.weight", kv, dim}}));
    if (c.qkv_bias) {
      slots.push_back(vector_slot(
          layer.qkv_bias,
          {{attention + "q_proj.bias", q}, {attention + "k_proj.bias", kv}, {attention + "v_proj.bias", kv}}));
    }
    if (c.head_norms) {
      slots.push_back(vector_slot(layer.q_norm, {{attention + "q_norm.weight", head_dim}}));
      slots.push_back(vector_slot(layer.k_norm, {{attention + "k_norm.weight", head_dim}}));
    }
    slots.push_back(matrix_slot(layer.o, MatrixKind::kPlain, {{attention + "o_proj.weight", dim, q}}));
    if (c.o_bias) slots.push_back(vector_slot(layer.o_bias, {{attention + "o_proj.bias", dim}}));
    slots.push_back(vector_slot(layer.ffn_norm, {{prefix + "post_attention_layernorm.weight", dim}}));
    slots.push_back(matrix_slot(layer.gate_up, MatrixKind::kGateUp,
                                {{mlp + "gate_proj.weight", ffn, dim}, {mlp + "up_proj.weight", ffn, dim}}));
    if (c.mlp_bias) {
      slots.push_back(vector_slot(layer.gate_up_bias, {{mlp + "gate_proj.bias", ffn}, {mlp + "up_proj.bias", ffn}}));
    }
    slots.push_back(matrix_slot(layer.down, MatrixKind::kPlain, {{mlp + "down_proj.weight", dim, ffn}}));
    if (c.mlp_bias) slots.push_back(vector_slot(layer.down_bias, {{mlp + "down_proj.bias", dim}}));
  }
  slots.push_back(vector_slot(weights.final_norm, {{"model.norm.weight", dim}}));
  if (!c.tied_head) slots.push_back(matrix_slot(weights.head, MatrixKind::kPlain, {{"lm_head.weight", vocab, dim}}));
  return slots;
}

std::vector<Parameter> parameters(const LlamaConfig& config) {
  Weights unused;
  std::vector<Parameter> all;
  for (Slot& slot : make_slots(config, unused)) {
    for (Parameter& parameter : slot.parameters) all.push_back(std::move(parameter));
  }
  return all;
}

}  // namespace mt
