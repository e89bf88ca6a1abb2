// What an optimizer keeps of each matrix and vector of a model: the float32 original, its gradient and its moments.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "../backend/backend.h"
#include "../model/llama.h"
#include "../model/parameters.h"

namespace mt {

// Which numbers of a parameter.
enum class ParameterPart : uint8_t { kWeight, kGradient, kMean, kSquare };

class TrainedParameters {
 public:
  // Reads the weights back, and sets gradients and moments to zero. Throws OUT_OF_MEMORY.
  explicit TrainedParameters(Llama& model);

  // Bytes that the constructor takes on the device.
  static size_t bytes(const LlamaConfig& config);

  // The gradient of the matrix or vector that lies at that place of the model's Weights; an empty view where the model
  // has none there.
  View gradient(const void* place) const;

  // The square root of the sum of squares of all gradients.
  double gradient_norm();
  // Updates the originals by their gradients, and the model's weights by the originals. Only matrices decay, or with
  // `decay_vectors` norms and biases too.
  void update(const AdamW& options, bool decay_vectors);
  void zero_gradients();

  // Numbers of the parameter of this name, row-major, as many as it has. Throw INVALID_ARGUMENT for another name or
  // count. Writing a weight changes the model too.
  void read(const std::string& name, ParameterPart part, std::span<float> values);
  void write(const std::string& name, ParameterPart part, std::span<const float> values);
  // Throws INVALID_ARGUMENT for a name that the model has not.
  size_t size(const std::string& name) const;
  // Throws INVALID_ARGUMENT unless the parameter has `count` numbers.
  void check_size(const std::string& name, size_t count) const;

 private:
  struct Entry {
    Slot slot;
    View weight, gradient, mean, square;

    View& part(ParameterPart part);
  };
  struct Place {
    size_t entry;
    size_t first;  // the parameter's first number in the entry's views
    size_t size;
  };

  const Place& place(const std::string& name) const;
  float* numbers(const std::string& name, ParameterPart part, size_t count);

  Llama& model_;
  BackwardOps& ops_;
  std::vector<Entry> entries_;
  std::unordered_map<const void*, size_t> by_place_;
  std::unordered_map<std::string, Place> by_name_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace mt
