// One layer of LLaMA in three steps, which scoring, sessions and training share.
#pragma once
#include <array>

#include "../backend/backward_ops.h"
#include "config.h"
#include "weights.h"

namespace mt {

// What the layers of one forward pass have in common.
struct LayerPass {
  ForwardOps& ops;
  BackwardOps* training;  // may be null where no layer has adapters
  const LlamaConfig& config;
  const PlacedPack& pack;
  RopeTable rope;        // of all positions of the pack
  const KvCache* cache;  // null if no tree of the pack has a segment and none of its tokens a cache row
  bool appends = false;  // whether the pack's keys and values go into the cache
};

// What a layer writes beside the residual stream.
struct LayerActivations {
  View h;         // [rows, dim]: output of a norm
  View q;         // [tokens, heads * d] f32
  View k, v;      // [tokens, kv_heads * d] f32
  View a;         // [tokens, heads * d]: output of attention
  View log_sums;  // [tokens, heads] f32, or empty: what the backward pass of attention needs of its softmax
  View gate_up;   // [rows, 2 ffn] f32, or empty: what the backward pass needs of swiglu()
  View f;         // [rows, ffn]
  std::array<View, kLayerProducts> z;  // [rows, rank] of each product's adapter: input a^T; empty if there are none
};

// Norm of x [tokens, dim], queries, keys and values.
void project_qkv(const LayerPass& pass, const LayerWeights& layer, int l, View x, const LayerActivations& act);
// y = x + attention; y may be x.
void attend(const LayerPass& pass, const LayerWeights& layer, int l, const LayerActivations& act, View x, View y);
// Norm of x [rows, dim], gate, up and f. h, gate_up and f have as many rows.
void project_gate_up(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x);
// y = x + feed-forward network of x; the same, and what comes of f. y may be x.
void feed_forward(const LayerPass& pass, const LayerWeights& layer, const LayerActivations& act, View x, View y);

// The adapter of a product of the layer, or null.
const Adapter* adapter_of(const LayerWeights& layer, LayerProduct product);
// What that adapter adds to the product of x, whose z is computed into `act`; nothing where there is none.
LowRank low_rank(const LayerPass& pass, const LayerWeights& layer, LayerProduct product, View x,
                 const LayerActivations& act);
// Where the z of that adapter lies, of so many rows.
View z_of(const LayerActivations& act, LayerProduct product, const Adapter& adapter, int rows);

}  // namespace mt
