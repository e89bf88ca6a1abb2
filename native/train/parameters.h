// What an optimizer keeps of each matrix and vector that it trains: the float32 original, its gradient and its moments.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "../backend/backend.h"
#include "../model/parameters.h"

namespace mt {

// Which numbers of a parameter.
enum class ParameterPart : uint8_t { kWeight, kGradient, kMean, kSquare };

// One matrix or vector that is trained.
struct TrainedTensor {
  std::vector<Parameter> parameters;  // those stacked in it by their rows
  const void* place = nullptr;        // by which gradient() finds it
  View weight;  // where a vector of the model lies; without data for a matrix, of which a copy is kept
  std::function<void(View weight)> publish;  // gives the model a matrix's new weights
};

class TrainedParameters {
 public:
  // Sets gradients and moments to zero. The weights of matrices are undefined until they are written. Throws
  // OUT_OF_MEMORY.
  TrainedParameters(Backend& backend, std::vector<TrainedTensor> tensors);

  // The weights at a place, to be filled without publish().
  View weight(const void* place) const;
  // The gradient at a place; an empty view where nothing is trained.
  View gradient(const void* place) const;

  // The square root of the sum of squares of all gradients.
  double gradient_norm();
  // Updates the originals by their gradients, and the model's weights by the originals. Only matrices decay, or with
  // `decay_vectors` norms and biases too.
  void update(const AdamW& options, bool decay_vectors);
  void zero_gradients();
  // Sets all matrices to zero, in the model too.
  void zero_weights();

  // The names of all parameters, in the order of the tensors.
  const std::vector<std::string>& names() const { return names_; }
  // Numbers of the parameter of this name, row-major, as many as it has. Throw INVALID_ARGUMENT for another name or
  // count. Writing a weight changes the model too.
  void read(const std::string& name, ParameterPart part, std::span<float> values);
  void write(const std::string& name, ParameterPart part, std::span<const float> values);
  // Throws INVALID_ARGUMENT for a name that is not trained.
  size_t size(const std::string& name) const;
  // Throws INVALID_ARGUMENT unless the parameter has `count` numbers.
  void check_size(const std::string& name, size_t count) const;

 private:
  struct Entry {
    TrainedTensor tensor;
    View weight, gradient, mean, square;

    View& part(ParameterPart part);
  };
  struct Place {
    size_t entry;
    size_t first;  // the parameter's first number in the entry's views
    size_t size;
  };

  const Entry* find(const void* place) const;
  const Place& place(const std::string& name) const;
  float* numbers(const std::string& name, ParameterPart part, size_t count);

  Backend& backend_;
  BackwardOps& ops_;
  std::vector<Entry> entries_;
  std::unordered_map<const void*, size_t> by_place_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Place> by_name_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace mt
