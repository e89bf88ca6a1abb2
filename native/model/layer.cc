// The ops of a layer, in the paper's order.
#include "layer.h"

namespace mt {
namespace {

// The first rows and columns of the addend, all zero; an empty view where the layer has no adapters.
View zero_addend(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, int rows, int cols) {
  if (!layer.adapters) return {};
  const View addend = {act.addend.data, rows, cols, act.addend.dtype};
  pass.training->fill_zero(addend);
  return addend;
}

View qkv_addend(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act) {
  const int q = act.q.cols, kv = act.k.cols;
  const View addend = zero_addend(pass, layer, act, act.h.rows, q + 2 * kv);
  add_adapter(pass, layer, AdapterTarget::kQ, act.h, act, addend, 0);
  add_adapter(pass, layer, AdapterTarget::kK, act.h, act, addend, q);
  add_adapter(pass, layer, AdapterTarget::kV, act.h, act, addend, q + kv);
  return addend;
}

View gate_up_addend(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act) {
  const View addend = zero_addend(pass, layer, act, act.h.rows, 2 * act.f.cols);
  add_adapter(pass, layer, AdapterTarget::kGate, act.h, act, addend, 0);
  add_adapter(pass, layer, AdapterTarget::kUp, act.h, act, addend, act.f.cols);
  return addend;
}

}  // namespace

void project_qkv(const LayerPass& pass, const LayerWeights& layer, int l, View x, const LayerActivations& act) {
  const float eps = pass.config.rms_norm_eps;
  pass.ops.rms_norm(x, layer.attention_norm, eps, act.h);
  const QkvFinish finish = {layer.qkv_bias, qkv_addend(pass, layer, act), layer.q_norm, layer.k_norm, eps, pass.rope};
  pass.ops.qkv(pass.pack, act.h, *layer.qkv, finish, pass.config.head_shape(), act.q, act.k, act.v);
  if (pass.appends) pass.ops.append_kv(pass.pack, act.k, act.v, *pass.cache, l);
}

void attend(const LayerPass& pass, const LayerWeights& layer, int l, const LayerActivations& act, View x) {
  pass.ops.attention(pass.pack, act.q, act.k, act.v, pass.cache, l, pass.config.head_shape(), pass.config.window(l),
                     act.a, act.log_sums);
  pass.ops.linear_add(act.a, *layer.o, layer.o_bias, x);
  add_adapter(pass, layer, AdapterTarget::kO, act.a, act, x, 0);
}

void project_gate_up(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x) {
  pass.ops.rms_norm(x, layer.ffn_norm, pass.config.rms_norm_eps, act.h);
  pass.ops.swiglu(act.h, *layer.gate_up, layer.gate_up_bias, act.f, gate_up_addend(pass, layer, act), act.gate_up);
}

void feed_forward(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x) {
  project_gate_up(pass, layer, act, x);
  pass.ops.linear_add(act.f, *layer.down, layer.down_bias, x);
  add_adapter(pass, layer, AdapterTarget::kDown, act.f, act, x, 0);
}

const Adapter* adapter_of(const LayerWeights& layer, AdapterTarget target) {
  if (!layer.adapters) return nullptr;
  const Adapter& adapter = (*layer.adapters)[target];
  return adapter.a ? &adapter : nullptr;
}

View z_of(const LayerActivations& act, AdapterTarget target, const Adapter& adapter, int rows) {
  View z = act.z[static_cast<size_t>(target)];
  z.rows = rows;
  z.cols = adapter.rank;
  return z;
}

void add_adapter(const LayerPass& pass, const LayerWeights& layer, AdapterTarget target, View x,
                 const LayerActivations& act, View y, int first) {
  const Adapter* adapter = adapter_of(layer, target);
  if (!adapter) return;
  const View z = z_of(act, target, *adapter, x.rows);
  pass.training->product(x, *adapter->a, false, 0, z);
  pass.training->product(z, *adapter->b, true, first, y);
}

}  // namespace mt
