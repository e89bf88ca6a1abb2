// Training steps: the loss of packs, its gradients, and the update of the weights.
#pragma once
#include <memory>
#include <span>

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

// Trains all weights of a model. Those who use the model meanwhile see the weights of the last step. Only one thread at
// a time may use the trainer and its model.
class Trainer {
 public:
  // Throws INVALID_ARGUMENT if the model's backend cannot train, or OUT_OF_MEMORY.
  explicit Trainer(std::shared_ptr<Llama> model);

  TrainedParameters& parameters() { return parameters_; }
  const LlamaConfig& config() const { return model_->config(); }

  // Adds the gradients of the pack's loss to those that are there. Layers are recomputed on the way back, so that of
  // each only its input is kept. If it throws (ABORTED, OUT_OF_MEMORY), all gradients are zero.
  HeadLoss forward_backward(const TrainRequest& request, const Control& control);

  // Updates the weights, and sets the gradients to zero. Returns the norm of all gradients before it is clipped. If
  // that is no finite number, no weight changes.
  double step(StepOptions options);

 private:
  // What one pack needs. T = tokens, S = scored rows, R = the larger of both.
  struct Activations {
    std::vector<View> x;     // [layers + 1] of [T, dim] f32: the input of each layer; the last is worked in
    View x_scored;           // [S, dim] f32
    LayerActivations layer;  // h [R, dim], of which the attention's rows are T; f [R, ffn]
    View h_ffn;              // [R, dim]: output of the second norm
    View gate_up;            // [R, 2 ffn] f32
    // gradients of the same
    View dx, dx_scored, dh, df, dgate_up, da, dqkv;
    View rounded;  // [R, widest of dim and qkv]: a gradient in the type of the activations; empty if that is float32
  };

  size_t place(Activations& act, int tokens, int rows, std::byte* base) const;
  void run(const TrainRequest& request, HeadLoss& loss, const Control& control);
  void forward(const LayerPass& pass, Activations& act, const Control& control);
  HeadLoss head(const TrainRequest& request, Activations& act, const Control& control);
  void backward(const LayerPass& pass, Activations& act, const Control& control);
  void feed_forward_backward(const LayerPass& pass, const LayerWeights& layer, Activations& act, View x, View dx);
  void attention_backward(const LayerPass& pass, const LayerWeights& layer, int l, Activations& act);
  // dy w, added to dx
  void add_input_gradient(View dy, const Matrix& w, View dx);
  View rounded(View dy, const Activations& act);
  const Matrix& transposed(const Matrix& w);

  std::shared_ptr<Llama> model_;
  BackwardOps& ops_;
  TrainedParameters parameters_;
  std::unique_ptr<Buffer> workspace_;
  std::unique_ptr<Buffer> transposed_memory_;
  std::unique_ptr<Matrix> transposed_;
};

}  // namespace mt
