// A small random checkpoint on disk for the tests of native/model, and the backends to run it on.
#pragma once
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "../../native/model/llama.h"
#include "../../native/model/parameters.h"

namespace mt::test {

// A file with the given bytes, deleted with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("mt_llama_test_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// A config with grouped-query attention, an untied head and biases on q, k and v. No size is a multiple of a vector's
// length.
inline LlamaConfig tiny_config() {
  LlamaConfig config;
  config.vocab_size = 77;
  config.hidden_size = 36;
  config.intermediate_size = 50;
  config.layers = 3;
  config.heads = 6;
  config.kv_heads = 2;
  config.head_dim = 10;
  config.context_length = 1500;
  config.rms_norm_eps = 1e-5f;
  config.qkv_bias = true;
  for (int i = 0; i < config.head_dim / 2; i++) config.rope_frequencies.push_back(std::pow(1e4f, -0.2f * i));
  return config;
}

// The same with what Qwen and Mistral have beside LLaMA: norms of heads, and layers with windows and without.
inline LlamaConfig sister_config() {
  LlamaConfig config = tiny_config();
  config.head_norms = true;
  config.windows = {24, config.context_length, 70};
  return config;
}

// A checkpoint with the tensors of `config` as F32, one after another from the start of one file.
struct Checkpoint {
  std::vector<StoredTensor> tensors;
  std::vector<float> values;

  StoredTensor& find(const std::string& name) {
    for (StoredTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }
  StoredPart& part(const std::string& name) { return find(name).values.parts[0]; }
  float* data(const std::string& name) { return values.data() + part(name).offset / sizeof(float); }
  std::string bytes() const { return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}; }
  // The same tensors, stored in `file`.
  std::vector<StoredTensor> in(const TemporaryFile& file) const {
    std::vector<StoredTensor> copy = tensors;
    for (StoredTensor& tensor : copy)
      for (StoredPart& part : tensor.values.parts) part.file = file.path();
    return copy;
  }
};

// `deviation` is the standard deviation of each layer's weights.
inline Checkpoint random_checkpoint(const LlamaConfig& c, unsigned seed, float deviation = 0.2f) {
  Checkpoint checkpoint;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape, float mean, float spread) {
    size_t count = 1;
    for (const int64_t n : shape) count *= static_cast<size_t>(n);
    const StoredPart part = {.file = "",
                             .offset = checkpoint.values.size() * 4,
                             .bytes = count * 4,
                             .type = StoredType::kF32,
                             .shape = shape};
    checkpoint.tensors.push_back(
        {.name = name, .shape = shape, .values = {.parts = {part}}, .base = {}, .adapters = {}});
    for (size_t i = 0; i < count; i++) checkpoint.values.push_back(mean + spread * normal(random));
  };
  for (const Parameter& parameter : parameters(c)) {
    const std::string& name = parameter.name;
    const bool is_norm = name.ends_with("norm.weight");
    const float spread = is_norm                               ? 0.1f
                         : name == "model.embed_tokens.weight" ? 1
                         : name == "lm_head.weight"            ? 0.3f
                                                               : deviation;
    add(name, parameter.shape(), is_norm ? 1 : 0, spread);
  }
  return checkpoint;
}

// A config for GPUs with the sizes of a real model and few layers: products have whole tiles and many blocks.
inline LlamaConfig middle_config() {
  LlamaConfig config = tiny_config();
  config.vocab_size = 4000;
  config.hidden_size = 1024;
  config.intermediate_size = 2816;
  config.heads = 8;
  config.head_dim = 128;
  config.rope_frequencies.clear();
  for (int i = 0; i < 64; i++) config.rope_frequencies.push_back(std::pow(1e4f, -i / 64.0f));
  return config;
}

inline std::shared_ptr<Llama> load_tiny(std::unique_ptr<Backend> backend, DType dtype,
                                        const LlamaConfig& config = tiny_config()) {
  const Checkpoint checkpoint = random_checkpoint(config, 1);
  const TemporaryFile file(checkpoint.bytes());
  return std::make_shared<Llama>(std::move(backend), config, checkpoint.in(file), dtype, Control());
}

inline std::vector<int32_t> random_ids(std::mt19937& random, size_t count, int vocab) {
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<unsigned>(vocab));
  return ids;
}

// Runs `body`. Returns the code of the mt::Error that it throws, and its message, or "" if it throws none.
template <class Body>
std::string error_of(Body body, std::string* message = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error_code_name(error.code());
  }
  return "";
}

}  // namespace mt::test
