// The ops of a layer, in the paper's order.
#include "layer.h"

namespace mt {
namespace {

// y[:, first ..] = or, with `add`, += what the layer's adapter of `target` makes of x; z is left in act.z. Does nothing
// where there is no adapter.
void adapter_product(const LayerPass& pass, const LayerWeights& layer, AdapterTarget target, View x,
                     const LayerActivations& act, bool add, int first, View y) {
  const Adapter* adapter = adapter_of(layer, target);
  if (!adapter) return;
  const View z = z_of(act, target, *adapter, x.rows);
  pass.training->product(x, *adapter->a, false, 0, z);
  pass.training->product(z, *adapter->b, add, first, y);
}

struct Part {
  AdapterTarget target;
  int cols;
};

// What adapters add to the products of act.h for these maps, side by side; an empty view where the layer has none.
View addend_of(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act,
               std::initializer_list<Part> parts) {
  if (!layer.adapters) return {};
  View addend = {act.addend.data, act.h.rows, 0, act.addend.dtype};
  bool whole = true;
  for (const Part& part : parts) {
    addend.cols += part.cols;
    whole = whole && adapter_of(layer, part.target);
  }
  if (!whole) pass.training->fill_zero(addend);
  int first = 0;
  for (const Part& part : parts) {
    adapter_product(pass, layer, part.target, act.h, act, !whole, first, addend);
    first += part.cols;
  }
  return addend;
}

}  // namespace

void project_qkv(const LayerPass& pass, const LayerWeights& layer, int l, View x, const LayerActivations& act) {
  const float eps = pass.config.rms_norm_eps;
  pass.ops.rms_norm(x, layer.attention_norm, eps, act.h);
  const int q = act.q.cols, kv = act.k.cols;
  const View addend =
      addend_of(pass, layer, act, {{AdapterTarget::kQ, q}, {AdapterTarget::kK, kv}, {AdapterTarget::kV, kv}});
  const QkvFinish finish = {layer.qkv_bias, addend, layer.q_norm, layer.k_norm, eps, pass.rope};
  pass.ops.qkv(pass.pack, act.h, *layer.qkv, finish, pass.config.head_shape(), act.q, act.k, act.v);
  if (pass.appends) pass.ops.append_kv(pass.pack, act.k, act.v, *pass.cache, l);
}

void attend(const LayerPass& pass, const LayerWeights& layer, int l, const LayerActivations& act, View x) {
  pass.ops.attention(pass.pack, act.q, act.k, act.v, pass.cache, l, pass.config.head_shape(), pass.config.window(l),
                     act.a, act.log_sums);
  pass.ops.linear_add(act.a, *layer.o, layer.o_bias, x);
  adapter_product(pass, layer, AdapterTarget::kO, act.a, act, true, 0, x);
}

void project_gate_up(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x) {
  pass.ops.rms_norm(x, layer.ffn_norm, pass.config.rms_norm_eps, act.h);
  const View addend =
      addend_of(pass, layer, act, {{AdapterTarget::kGate, act.f.cols}, {AdapterTarget::kUp, act.f.cols}});
  pass.ops.swiglu(act.h, *layer.gate_up, layer.gate_up_bias, act.f, addend, act.gate_up);
}

void feed_forward(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x) {
  project_gate_up(pass, layer, act, x);
  pass.ops.linear_add(act.f, *layer.down, layer.down_bias, x);
  adapter_product(pass, layer, AdapterTarget::kDown, act.f, act, true, 0, x);
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

}  // namespace mt
