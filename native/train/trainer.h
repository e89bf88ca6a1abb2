// Training steps: the loss of packs, its gradients, and the update of the weights.
#pragma once
#include <memory>
#include <span>

#include "../model/layer.h"
#include "../model/llama.h"
#include "adapters.h"
#include "parameters.h"

namespace mt {

struct TrainRequest {
  Pack pack;                         // without segments and cache rows; its `rows` are those that are scored
  std::span<const int32_t> targets;  // [rows] the token that each should predict
  std::span<const float> weights;    // [rows] of its negative log-likelihood in the loss
};

// Throws INVALID_ARGUMENT, naming the field, or what check_pack() throws.
void check_request(const TrainRequest& request, const LlamaConfig& config);

struct StepOptions {
  AdamW adamw;                 // its `scale` is set by step()
  float max_norm = 0;          // gradients are scaled down to this norm; 0 leaves them as they are
  bool decay_vectors = false;  // whether norms and biases decay as matrices do
};

// Trains all weights of a model, or adapters alone. Those who use the model meanwhile see the weights of the last step.
// Only one thread at a time may use the trainer and its model.
class Trainer {
 public:
  // With `adapters` trains those and nothing else; they are on the model as long as the trainer lives, and zero at
  // first. Of the activations of a pack, those of as many layers stay for the way back as lie in `kept_bytes`, the last
  // ones; the others are computed again, to the same bits. Throws INVALID_ARGUMENT if the model's backend cannot train,
  // what ModelAdapters throws, or OUT_OF_MEMORY.
  Trainer(std::shared_ptr<Llama> model, const std::vector<AdapterSpec>& adapters, size_t kept_bytes);

  TrainedParameters& parameters() { return parameters_; }
  const LlamaConfig& config() const { return model_->config(); }

  // Adds the gradients of the pack's loss to those that are there. If it throws (ABORTED, OUT_OF_MEMORY), all gradients
  // are zero.
  HeadLoss forward_backward(const TrainRequest& request, const Control& control);

  // Updates the weights, and sets the gradients to zero. Returns the norm of all gradients before it is clipped. If
  // that is no finite number, no weight changes.
  double step(StepOptions options);

 private:
  // What the backward pass needs of a layer. T = tokens, S = scored rows, R = the larger of both.
  struct KeptLayer {
    View x;                // [T, dim] f32: its input
    bool recomputed;       // whether it shares the memory of all that follows with others
    View middle;           // [T, dim] f32: the input of its second norm
    LayerActivations act;  // h and f are scratch memory of all layers; rows of h, gate_up, f and z: R
  };
  // What one pack needs.
  struct Activations {
    std::vector<KeptLayer> layers;
    View middle_scored, x_scored;  // [S, dim] f32: scored rows of the last layer's middle, and of its output
    View h;                        // [R, dim]: output of a norm
    View f;                        // [R, ffn]
    // gradients
    View dx, dx_scored, dh, dgate_up, da, dqkv;
    View rounded;  // [R, widest of dim and qkv]: a gradient in the type of the activations; empty if that is float32
    View dz;       // [R, rank]: the gradient by an adapter's z; empty if there are none
  };

  size_t place(Activations& act, int tokens, int rows, std::byte* base) const;
  size_t place_layers(Activations& act, int tokens, int rows, std::byte* base) const;
  HeadLoss run(const TrainRequest& request, const Control& control);
  void forward(const LayerPass& pass, Activations& act, const Control& control);
  HeadLoss head(const TrainRequest& request, Activations& act, const Control& control);
  void backward(const LayerPass& pass, Activations& act, const Control& control);
  // Computes the middle of a layer from its input.
  void attention(const LayerPass& pass, int l, const KeptLayer& kept);
  void feed_forward_backward(const LayerPass& pass, int l, const Activations& act, View x, View dx);
  void attention_backward(const LayerPass& pass, int l, const Activations& act);
  // What the product's adapter adds to the gradient by the product's input, dy being that by its output. Its z is the
  // gradient by the z of the forward pass.
  LowRank low_rank_backward(const LayerWeights& layer, LayerProduct product, View dy, const Activations& act);
  // Adds to the gradients of the matrix and the bias at these places of the model's Weights, unless they are not
  // trained.
  void add_weight_gradient(View dy, View x, const void* weight, const void* bias);
  // Adds to the gradients of the product's adapter, if there is one. x is the product's input, z what the adapter made
  // of it in the forward pass.
  void add_adapter_gradients(const LayerWeights& layer, LayerProduct product, View dy, View x,
                             const LayerActivations& kept, View dz);
  View rounded(View dy, const Activations& act);
  const Matrix& transposed(const Matrix& w);

  std::shared_ptr<Llama> model_;
  BackwardOps& ops_;
  const size_t kept_bytes_;
  std::unique_ptr<ModelAdapters> adapters_;  // null if all weights are trained
  TrainedParameters parameters_;
  std::unique_ptr<Buffer> workspace_;
  std::unique_ptr<Buffer> transposed_memory_;
  std::unique_ptr<Matrix> transposed_;
};

}  // namespace mt
