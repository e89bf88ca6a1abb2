// A slot is one matrix or vector of the model, with the tensors from which it is stacked. Loading fills the slots.
#include "weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "../base/file.h"
#include "../base/sizes.h"

namespace mt {
namespace {

// The alignment of each matrix and vector: whole cache lines, and more than any load or copy needs.
constexpr size_t kAlignment = 256;

// How many float32 values are decoded at a time. Their raw bytes, which are no more, lie in memory too.
constexpr size_t kChunkValues = size_t{1} << 20;

struct Part {
  std::string name;
  int rows;
};

struct Slot {
  std::vector<Part> parts;
  int cols = 1;
  MatrixKind kind = MatrixKind::kPlain;
  std::unique_ptr<Matrix>* matrix = nullptr;  // the matrix that it fills, or null
  View* vector = nullptr;                     // the vector that it fills, or null
  bool optional = false;

  int rows() const {
    int sum = 0;
    for (const Part& part : parts) sum += part.rows;
    return sum;
  }
};

Slot matrix_slot(std::unique_ptr<Matrix>& matrix, MatrixKind kind, int cols, std::vector<Part> parts) {
  return {.parts = std::move(parts), .cols = cols, .kind = kind, .matrix = &matrix};
}

Slot vector_slot(View& vector, std::vector<Part> parts, bool optional = false) {
  return {.parts = std::move(parts), .vector = &vector, .optional = optional};
}

// Makes all slots of the model, and the layers of `weights`, into which they point.
std::vector<Slot> make_slots(const LlamaConfig& c, Weights& weights) {
  const int dim = c.hidden_size, ffn = c.intermediate_size, q = c.q_size(), kv = c.kv_size();
  std::vector<Slot> slots;
  slots.push_back(
      matrix_slot(weights.embedding, MatrixKind::kPlain, dim, {{"model.embed_tokens.weight", c.vocab_size}}));
  weights.layers.resize(c.layers);
  for (int l = 0; l < c.layers; l++) {
    LayerWeights& layer = weights.layers[l];
    const std::string prefix = "model.layers." + std::to_string(l) + ".";
    const std::string attention = prefix + "self_attn.", mlp = prefix + "mlp.";
    const auto qkv = [&](const char* what) -> std::vector<Part> {
      return {
          {attention + "q_proj." + what, q}, {attention + "k_proj." + what, kv}, {attention + "v_proj." + what, kv}};
    };
    const auto gate_up = [&](const char* what) -> std::vector<Part> {
      return {{mlp + "gate_proj." + what, ffn}, {mlp + "up_proj." + what, ffn}};
    };
    slots.push_back(vector_slot(layer.attention_norm, {{prefix + "input_layernorm.weight", dim}}));
    slots.push_back(matrix_slot(layer.qkv, MatrixKind::kQkv, dim, qkv("weight")));
    slots.push_back(vector_slot(layer.qkv_bias, qkv("bias"), true));
    slots.push_back(matrix_slot(layer.o, MatrixKind::kPlain, q, {{attention + "o_proj.weight", dim}}));
    slots.push_back(vector_slot(layer.o_bias, {{attention + "o_proj.bias", dim}}, true));
    slots.push_back(vector_slot(layer.ffn_norm, {{prefix + "post_attention_layernorm.weight", dim}}));
    slots.push_back(matrix_slot(layer.gate_up, MatrixKind::kGateUp, dim, gate_up("weight")));
    slots.push_back(vector_slot(layer.gate_up_bias, gate_up("bias"), true));
    slots.push_back(matrix_slot(layer.down, MatrixKind::kPlain, ffn, {{mlp + "down_proj.weight", dim}}));
    slots.push_back(vector_slot(layer.down_bias, {{mlp + "down_proj.bias", dim}}, true));
  }
  slots.push_back(vector_slot(weights.final_norm, {{"model.norm.weight", dim}}));
  if (!c.tied_head) {
    slots.push_back(matrix_slot(weights.head, MatrixKind::kPlain, dim, {{"lm_head.weight", c.vocab_size}}));
  }
  return slots;
}

// The slots that this checkpoint fills. An optional slot counts if any of its tensors is there; it is zero where one is
// missing.
std::vector<Slot> filled_slots(const LlamaConfig& config, const std::vector<StoredTensor>& tensors, Weights& weights) {
  if (static_cast<size_t>(config.layers) > tensors.size()) {
    throw Error(ErrorCode::INVALID_ARGUMENT, "config: layers is " + std::to_string(config.layers) +
                                                 ", but there are only " + std::to_string(tensors.size()) + " tensors");
  }
  std::unordered_map<std::string, bool> used;  // for each tensor's name, whether a slot needs it
  for (const StoredTensor& tensor : tensors) {
    if (!used.emplace(tensor.name, false).second) {
      throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + tensor.name + "\" is there twice");
    }
  }
  std::vector<Slot> slots;
  for (Slot& slot : make_slots(config, weights)) {
    bool any = false;
    for (const Part& part : slot.parts) {
      const auto found = used.find(part.name);
      if (found != used.end()) {
        found->second = any = true;
      } else if (!slot.optional) {
        throw Error(ErrorCode::INVALID_ARGUMENT, "\"" + part.name + "\" is missing among the tensors");
      }
    }
    if (any) slots.push_back(std::move(slot));
  }
  for (const StoredTensor& tensor : tensors) {
    if (!used[tensor.name]) {
      throw Error(ErrorCode::INVALID_ARGUMENT, tensor.file + ": \"" + tensor.name + "\" is no tensor of this model" +
                                                   (tensor.name == "lm_head.weight" ? ", whose head is tied" : ""));
    }
  }
  return slots;
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
    arena.bytes = sum_of(arena.bytes, sum_of(bytes, kAlignment - 1) / kAlignment * kAlignment);
  };
  for (size_t i = 0; i < slots.size(); i++) {
    const Slot& slot = slots[i];
    if (slot.matrix) add(i, backend.matrix_bytes(slot.rows(), slot.cols, slot.kind, config.head_shape(), dtype));
  }
  arena.vectors = arena.bytes;
  for (size_t i = 0; i < slots.size(); i++)
    if (slots[i].vector) add(i, slots[i].rows() * sizeof(float));
  return arena;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
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
      : backend_(backend), config_(config), dtype_(dtype), control_(control) {}

  Weights load(const std::vector<StoredTensor>& tensors) {
    Weights weights;
    const std::vector<Slot> slots = filled_slots(config_, tensors, weights);
    const Arena arena = make_arena(backend_, config_, slots, dtype_);
    weights.memory = backend_.allocate(arena.bytes);
    weights.bytes = arena.bytes;
    auto* base = static_cast<std::byte*>(weights.memory->data());
    // Parts of a bias that the checkpoint does not have stay zero.
    std::vector<float> vectors((arena.bytes - arena.vectors) / sizeof(float));
    std::unordered_map<std::string, Target> targets;
    for (size_t i = 0; i < slots.size(); i++) {
      const Slot& slot = slots[i];
      void* memory = base + arena.offsets[i];
      if (slot.matrix) {
        *slot.matrix = backend_.create_matrix(slot.rows(), slot.cols, slot.kind, config_.head_shape(), dtype_, memory);
      } else {
        *slot.vector = {memory, 1, slot.rows(), DType::kFloat32};
      }
      int row = 0;
      for (const Part& part : slot.parts) {
        Target& target = targets[part.name];
        target = {.row = row, .rows = part.rows, .cols = slot.cols};
        if (slot.matrix) {
          target.matrix = slot.matrix->get();
        } else {
          target.vector = vectors.data() + (arena.offsets[i] - arena.vectors) / sizeof(float) + row;
        }
        row += part.rows;
      }
      control_.poll();
    }
    for (const StoredTensor& tensor : tensors) check(tensor, targets.at(tensor.name));
    for (const StoredTensor& tensor : tensors) total_ += tensor.bytes;
    for (const StoredTensor& tensor : tensors) {
      if (!file_ || file_->path() != tensor.file) file_ = std::make_unique<File>(tensor.file);
      read(tensor, targets.at(tensor.name));
    }
    backend_.upload(base + arena.vectors, vectors.data(), vectors.size() * sizeof(float));
    backend_.finish_rows();
    return weights;
  }

 private:
  // Checks the tensor's shape, its number of bytes, and that its type has whole blocks. Throws TENSOR_SHAPE.
  void check(const StoredTensor& tensor, const Target& target) const {
    const std::vector<int64_t> wanted =
        target.matrix ? std::vector<int64_t>{target.rows, target.cols} : std::vector<int64_t>{target.rows};
    const std::string where = tensor.file + ": \"" + tensor.name + "\"";
    if (tensor.shape != wanted) {
      throw Error(ErrorCode::TENSOR_SHAPE,
                  where + " is " + shape_text(tensor.shape) + "; the config asks for " + shape_text(wanted));
    }
    const int64_t row = wanted.back();
    if (row % static_cast<int64_t>(block_values(tensor.type)) != 0) {
      throw Error(ErrorCode::TENSOR_SHAPE, where + " is " + shape_text(tensor.shape) + ", but rows of " +
                                               stored_type_name(tensor.type) + " come in blocks of " +
                                               std::to_string(block_values(tensor.type)));
    }
    const size_t bytes = stored_bytes(tensor.type, static_cast<size_t>(target.rows) * target.cols);
    if (tensor.bytes != bytes) {
      throw Error(ErrorCode::TENSOR_SHAPE, where + " has " + std::to_string(tensor.bytes) + " bytes; " +
                                               shape_text(tensor.shape) + " of " + stored_type_name(tensor.type) +
                                               " takes " + std::to_string(bytes));
    }
    if (tensor.rope_interleaved && target.rows % config_.head_dim != 0) {
      throw Error(ErrorCode::TENSOR_SHAPE, where + " is said to hold interleaved heads, but " +
                                               std::to_string(target.rows) + " rows are no multiple of headDim, " +
                                               std::to_string(config_.head_dim));
    }
  }

  void read(const StoredTensor& tensor, const Target& target) {
    if (target.vector) {
      read_vector(tensor, target);
    } else {
      read_matrix(tensor, target);
    }
  }

  void read_vector(const StoredTensor& tensor, const Target& target) {
    const size_t n = target.rows;
    fetch(tensor, 0, n, std::numeric_limits<float>::infinity());
    for (size_t i = 0; i < n; i++) target.vector[tensor.rope_interleaved ? unpermuted(i) : i] = values_[i];
  }

  void read_matrix(const StoredTensor& tensor, const Target& target) {
    // The smallest magnitude that rounds to infinity.
    const float limit = dtype_ == DType::kFloat16    ? 65520.0f
                        : dtype_ == DType::kBFloat16 ? std::bit_cast<float>(0x7f7f8000u)
                                                     : std::numeric_limits<float>::infinity();
    const size_t cols = target.cols;
    // If the order of rows has to be restored, whole heads are read at a time.
    const int unit = tensor.rope_interleaved ? config_.head_dim : 1;
    const int step = std::max(1, static_cast<int>(kChunkValues / (cols * unit))) * unit;
    for (int row = 0; row < target.rows; row += step) {
      const int count = std::min(step, target.rows - row);
      fetch(tensor, row * cols, count * cols, limit);
      const float* rows = values_.data();
      if (tensor.rope_interleaved) {
        ordered_.resize(values_.size());
        for (int i = 0; i < count; i++) std::copy_n(rows + i * cols, cols, ordered_.data() + unpermuted(i) * cols);
        rows = ordered_.data();
      }
      backend_.write_rows(*target.matrix, target.row + row, count, rows);
    }
  }

  // Reads and decodes values first .. first + count - 1 of the tensor into values_. None may be as large as `limit`.
  void fetch(const StoredTensor& tensor, size_t first, size_t count, float limit) {
    control_.poll();
    raw_.resize(stored_bytes(tensor.type, count));
    values_.resize(count);
    file_->read(tensor.offset + stored_bytes(tensor.type, first), raw_.data(), raw_.size());
    decode(tensor.type, raw_.data(), count, values_.data());
    // Without their signs, floats have the order of their bits; infinities and NaNs come last.
    const int32_t limit_bits = std::bit_cast<int32_t>(limit);
    int32_t too_large = 0;
    for (const float value : values_) too_large |= (std::bit_cast<int32_t>(value) & 0x7fffffff) >= limit_bits;
    if (too_large) fail_not_finite(tensor, first, limit);
    done_ += raw_.size();
    control_.report(done_, total_);
  }

  [[noreturn]] void fail_not_finite(const StoredTensor& tensor, size_t first, float limit) const {
    const auto bad = std::find_if(values_.begin(), values_.end(), [&](float v) { return !(std::fabs(v) < limit); });
    const std::string reason =
        std::isfinite(*bad) ? "which is too large for " + std::string(dtype_name(dtype_)) : "not a finite number";
    throw Error(ErrorCode::WEIGHT_NOT_FINITE, tensor.file + ": \"" + tensor.name + "\": element " +
                                                  std::to_string(first + (bad - values_.begin())) + " is " +
                                                  std::to_string(*bad) + ", " + reason);
  }

  // Which row of Hugging Face's order row `i` of llama.cpp's order is. Both count from the start of a head.
  size_t unpermuted(size_t i) const {
    const size_t d = config_.head_dim, in_head = i % d;
    return i - in_head + in_head / 2 + in_head % 2 * (d / 2);
  }

  Backend& backend_;
  const LlamaConfig& config_;
  const DType dtype_;
  const Control& control_;
  std::unique_ptr<File> file_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::vector<uint8_t> raw_;
  std::vector<float> values_;
  std::vector<float> ordered_;
};

}  // namespace

size_t weight_bytes(const Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors,
                    DType dtype) {
  config.check();
  Weights unused;
  return make_arena(backend, config, filled_slots(config, tensors, unused), dtype).bytes;
}

Weights load_weights(Backend& backend, const LlamaConfig& config, const std::vector<StoredTensor>& tensors, DType dtype,
                     const Control& control) {
  config.check();
  return Loader(backend, config, dtype, control).load(tensors);
}

}  // namespace mt
