// The ops of a layer, in the paper's order.
#include "layer.h"

namespace mt {

void project_qkv(const LayerPass& pass, const LayerWeights& layer, int l, View x, const LayerActivations& act) {
  const float eps = pass.config.rms_norm_eps;
  pass.ops.rms_norm(x, layer.attention_norm, eps, act.h);
  const QkvFinish finish = {layer.qkv_bias, layer.q_norm, layer.k_norm, eps, pass.rope};
  pass.ops.qkv(pass.pack, act.h, *layer.qkv, finish, pass.config.head_shape(), act.q, act.k, act.v,
               low_rank(pass, layer, LayerProduct::kQkv, act.h, act));
  if (pass.appends) pass.ops.append_kv(pass.pack, act.k, act.v, *pass.cache, l);
}

void attend(const LayerPass& pass, const LayerWeights& layer, int l, const LayerActivations& act, View x, View y) {
  pass.ops.attention(pass.pack, act.q, act.k, act.v, pass.cache, l, pass.config.head_shape(), pass.config.window(l),
                     act.a, act.log_sums);
  pass.ops.linear_add(act.a, *layer.o, layer.o_bias, x, y, low_rank(pass, layer, LayerProduct::kO, act.a, act));
}

void project_gate_up(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x) {
  pass.ops.rms_norm(x, layer.ffn_norm, pass.config.rms_norm_eps, act.h);
  pass.ops.swiglu(act.h, *layer.gate_up, layer.gate_up_bias, act.f,
                  low_rank(pass, layer, LayerProduct::kGateUp, act.h, act), act.gate_up);
}

void feed_forward(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x, View y) {
  project_gate_up(pass, layer, act, x);
  pass.ops.linear_add(act.f, *layer.down, layer.down_bias, x, y,
                      low_rank(pass, layer, LayerProduct::kDown, act.f, act));
}

const Adapter* adapter_of(const LayerWeights& layer, LayerProduct product) {
  if (!layer.adapters) return nullptr;
  const Adapter& adapter = (*layer.adapters)[product];
  return adapter.a ? &adapter : nullptr;
}

LowRank low_rank(const LayerPass& pass, const LayerWeights& layer, LayerProduct product, View x,
                 const LayerActivations& act) {
  const Adapter* adapter = adapter_of(layer, product);
  if (!adapter) return {};
  const View z = z_of(act, product, *adapter, x.rows);
  pass.training->product(x, *adapter->a, z);
  return {z, adapter->b.get()};
}

View z_of(const LayerActivations& act, LayerProduct product, const Adapter& adapter, int rows) {
  View z = act.z[static_cast<size_t>(product)];
  z.rows = rows;
  z.cols = adapter.rank;
  return z;
}

}  // namespace mt
