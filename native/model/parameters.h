// The one list of what a LLaMA has learnt: names as Hugging Face gives them, shapes, and the places that they fill.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "weights.h"

namespace mt {

// A dimension of a parameter, and the fields of the config that it comes from: "heads headDim", say.
struct Dimension {
  int size = 0;
  const char* fields = "";
};

// A matrix [rows, cols], or a vector [rows] where `cols` has no size.
struct Parameter {
  std::string name;  // model.layers.0.self_attn.q_proj.weight
  Dimension rows;
  Dimension cols = {};

  bool is_vector() const { return cols.size == 0; }
  std::vector<int64_t> shape() const {
    return is_vector() ? std::vector<int64_t>{rows.size} : std::vector<int64_t>{rows.size, cols.size};
  }
};

// One matrix or vector of the weights, with the parameters that are stacked in it by their rows.
struct Slot {
  std::vector<Parameter> parameters;
  MatrixKind kind = MatrixKind::kPlain;
  std::unique_ptr<Matrix>* matrix = nullptr;  // the matrix that it fills, or null
  View* vector = nullptr;                     // the vector that it fills, or null

  int rows() const;
  int cols() const { return matrix ? parameters[0].cols.size : 1; }
};

// Makes the layers of `weights`, and the slots that point into it, in the order of the forward pass.
std::vector<Slot> make_slots(const LlamaConfig& config, Weights& weights);

// The parameters of all slots, in their order. Only the sizes of `config` and what it has of biases and norms matter.
std::vector<Parameter> parameters(const LlamaConfig& config);

}  // namespace mt
