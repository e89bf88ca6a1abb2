// Loading fills the slots of the model (parameters.h), tensor by tensor in the order in which the files hold them.
#include "weights.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "../base/sizes.h"
#include "parameters.h"
#include "tensor_reader.h"

namespace mt {
namespace {

// How many float32 values are read at a time. Their stored bytes lie in memory too.
constexpr size_t kChunkValues = size_t{1} << 20;

// Checks that the tensors are the parameters of `slots`, each once and of its shape. A config that claims more than the
// files hold is so refused before memory of that size is asked for.
void check_tensors(const std::vector<Slot>& slots, const std::vector<StoredTensor>& tensors, int head_dim) {
  std::unordered_map<std::string_view, const Parameter*> needed;  // for each tensor's name, what needs it, or null
  for (const StoredTensor& tensor : tensors) {
    if (!needed.emplace(tensor.name, nullptr).second) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + tensor.name + "\" is there twice");
    }
  }
  for (const Slot& slot : slots) {
    for (const Parameter& parameter : slot.parameters) {
      const auto found = needed.find(parameter.name);
      if (found == needed.end()) {
        throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + parameter.name + "\" is missing among the tensors");
      }
      found->second = &parameter;
    }
  }
  for (const StoredTensor& tensor : tensors) {
    const Parameter* parameter = needed[tensor.name];
    if (!parameter) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + tensor.name + "\" is no tensor of this model" +
                                                   (tensor.name == "lm_head.weight" ? ", whose head is tied" : ""));
    }
    check_tensor(tensor, parameter->shape(), head_dim);
  }
}

// The places of all slots in one piece of memory: matrices first, then vectors.
struct Arena {
  std::vector<size_t> offsets;  // where each slot begins
  size_t vectors = 0;           // where the vectors begin
  size_t bytes = 0;
};

Arena make_arena(const Backend& backend, const LlamaConfig& config, const std::vector<Slot>& slots, DType dtype) {
  Arena arena;
  arena.offsets.resize(slots.size());
  const auto add = [&](size_t slot, size_t bytes) {
    arena.offsets[slot] = arena.bytes;
    arena.bytes = sum_of(arena.bytes, placed_bytes(bytes));
  };
  for (size_t i = 0; i < slots.size(); i++) {
    const Slot& slot = slots[i];
    if (slot.matrix) add(i, backend.matrix_bytes(slot.rows(), slot.cols(), slot.kind, config.head_shape(), dtype));
  }
  arena.vectors = arena.bytes;
  for (size_t i = 0; i < slots.size(); i++)
    if (slots[i].vector) add(i, slots[i].rows() * sizeof(float));
  return arena;
}

// The place of one tensor's values: rows row .. row + rows - 1 of a matrix, or a part of the vectors.
struct Target {
  Matrix* matrix = nullptr;
  float* vector = nullptr;
  int row = 0;
  int rows = 0;
  int cols = 1;
};

class Loader {
 public:
  Loader(Backend& backend, const LlamaConfig& config, DType dtype, const Control& control)
      : backend_(backend), config_(config), dtype_(dtype), control_(control), reader_(config.head_dim, control) {}

  Weights load(const std::vector<StoredTensor>& tensors) {
    Weights weights;
    const std::vector<Slot> slots = make_slots(config_, weights);
    check_tensors(slots, tensors, config_.head_dim);
    const Arena arena = make_arena(backend_, config_, slots, dtype_);
    weights.memory = backend_.allocate(arena.bytes);
    weights.bytes = arena.bytes;
    auto* base = static_cast<std::byte*>(weights.memory->data());
    std::vector<float> vectors((arena.bytes - arena.vectors) / sizeof(float));
    std::unordered_map<std::string, Target> targets;
    for (size_t i = 0; i < slots.size(); i++) {
      const Slot& slot = slots[i];
      void* memory = base + arena.offsets[i];
      if (slot.matrix) {
        *slot.matrix =
            backend_.create_matrix(slot.rows(), slot.cols(), slot.kind, config_.head_shape(), dtype_, memory);
      } else {
        *slot.vector = {memory, 1, slot.rows(), DType::kFloat32};
      }
      int row = 0;
      for (const Parameter& parameter : slot.parameters) {
        Target& target = targets[parameter.name];
        target = {.row = row, .rows = parameter.rows.size, .cols = slot.cols()};
        if (slot.matrix) {
          target.matrix = slot.matrix->get();
        } else {
          target.vector = vectors.data() + (arena.offsets[i] - arena.vectors) / sizeof(float) + row;
        }
        row += parameter.rows.size;
      }
      control_.poll();
    }
    for (const StoredTensor& tensor : tensors) total_ += stored_bytes(tensor);
    for (const StoredTensor& tensor : tensors) read(tensor, targets.at(tensor.name));
    backend_.upload(base + arena.vectors, vectors.data(), vectors.size() * sizeof(float));
    backend_.finish_rows();
    return weights;
  }

 private:
  void read(const StoredTensor& tensor, const Target& target) {
    if (target.vector) {
      const auto values = fetch(tensor, 0, target.rows, DType::kFloat32);
      std::copy(values.begin(), values.end(), target.vector);
      return;
    }
    const int unit = reader_.row_unit(tensor);
    const int step = std::max(1, static_cast<int>(kChunkValues / (size_t(target.cols) * unit))) * unit;
    for (int row = 0; row < target.rows; row += step) {
      const int count = std::min(step, target.rows - row);
      backend_.write_rows(*target.matrix, target.row + row, count, fetch(tensor, row, count, dtype_).data());
    }
  }

  std::span<const float> fetch(const StoredTensor& tensor, int first, int count, DType dtype) {
    const float limit = encode_limit(stored_type_of(dtype));
    const auto values = reader_.read(tensor, first, count, limit, dtype_name(dtype));
    control_.report(reader_.bytes_read(), total_);
    return values;
  }

  Backend& backend_;
  const LlamaConfig& config_;
  const DType dtype_;
  const Control& control_;
  TensorReader reader_;
  uint64_t total_ = 0;
};

}  // namespace

size_t weight_bytes(const Backend& backend, const LlamaConfig& config, DType dtype) {
  config.check();
  Weights unused;
  return make_arena(backend, config, make_slots(config, unused), dtype).bytes;
}

Weights load_weights(Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors, DType dtype,
                     const Control& control) {
  config.check();
  return Loader(backend, config, dtype, control).load(tensors);
}

}  // namespace mt
