// Loading: everything that can be wrong with a checkpoint has its code and a message that names the place, and rows are
// loaded in the right order.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../../native/model/score.h"
#include "../../native/model/weights.h"
#include "check.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

struct Case {
  const char* name;
  const char* code;
  const char* message;  // a part of it
  void (*spoil)(Checkpoint&, std::string& bytes, LlamaConfig&);
  DType dtype = DType::kFloat32;
};

const float kNaN = std::numeric_limits<float>::quiet_NaN();
const char kDown[] = "model.layers.1.mlp.down_proj.weight";

void set_float(Checkpoint& c, std::string& bytes, const char* tensor, size_t element, float value) {
  std::memcpy(bytes.data() + c.part(tensor).offset + element * 4, &value, 4);
}

const Case kCases[] = {
    {"a file cut short", "FILE_READ", "bytes; at least",
     [](Checkpoint&, std::string& bytes, LlamaConfig&) { bytes.resize(bytes.size() - 4); }},
    {"a transposed tensor", "TENSOR_SHAPE",
     "\"model.layers.1.mlp.down_proj.weight\" is [50, 36]; the config asks for [36, 50]",
     [](Checkpoint& c, std::string&, LlamaConfig&) {
       c.find(kDown).shape = {50, 36};
     }},
    {"a matrix for a vector", "TENSOR_SHAPE", "is [36, 1]; the config asks for [36]",
     [](Checkpoint& c, std::string&, LlamaConfig&) {
       c.find("model.norm.weight").shape = {36, 1};
     }},
    // Memory of the size that the config claims would be OUT_OF_MEMORY.
    {"a config that claims more", "TENSOR_SHAPE", "the config asks for [77, 16777216]",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.hidden_size = config.intermediate_size = 1 << 24; }},
    {"too few bytes", "TENSOR_SHAPE", "has 7196 bytes; [36, 50] of F32 takes 7200",
     [](Checkpoint& c, std::string&, LlamaConfig&) { c.part(kDown).bytes -= 4; }},
    {"blocks that do not fit the row", "TENSOR_SHAPE", "rows of Q4_0 come in blocks of 32",
     [](Checkpoint& c, std::string&, LlamaConfig&) { c.part(kDown).type = StoredType::kQ4_0; }},
    {"interleaved heads that are none", "TENSOR_SHAPE", "no heads of an even headDim, which is 10",
     [](Checkpoint& c, std::string&, LlamaConfig&) { c.part(kDown).rope_interleaved = true; }},
    {"a missing tensor", "INVALID_ARGUMENT", "\"lm_head.weight\" is missing",
     [](Checkpoint& c, std::string&, LlamaConfig&) { c.tensors.pop_back(); }},
    {"a tensor twice", "INVALID_ARGUMENT", "\"model.norm.weight\" is there twice",
     [](Checkpoint& c, std::string&, LlamaConfig&) { c.tensors.push_back(c.find("model.norm.weight")); }},
    {"an unknown tensor", "INVALID_ARGUMENT", "\"model.layers.9.mlp.up_proj.weight\" is no tensor of this model",
     [](Checkpoint& c, std::string&, LlamaConfig&) {
       c.tensors.emplace_back().name = "model.layers.9.mlp.up_proj.weight";
     }},
    {"a head beside a tied one", "INVALID_ARGUMENT", "whose head is tied",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.tied_head = true; }},
    {"a NaN in a matrix", "WEIGHT_NOT_FINITE", "\"model.layers.1.mlp.down_proj.weight\": element 123 is nan",
     [](Checkpoint& c, std::string& bytes, LlamaConfig&) { set_float(c, bytes, kDown, 123, kNaN); }},
    {"an infinity in a vector", "WEIGHT_NOT_FINITE", "\"model.norm.weight\": element 35 is -inf",
     [](Checkpoint& c, std::string& bytes, LlamaConfig&) { set_float(c, bytes, "model.norm.weight", 35, -HUGE_VALF); }},
    {"a number past float16", "WEIGHT_NOT_FINITE", "element 7 is 65520.000000, which is too large for float16",
     [](Checkpoint& c, std::string& bytes, LlamaConfig&) { set_float(c, bytes, kDown, 7, 65520); }, DType::kFloat16},
    {"a number past bfloat16", "WEIGHT_NOT_FINITE", "which is too large for bfloat16",
     [](Checkpoint& c, std::string& bytes, LlamaConfig&) { set_float(c, bytes, kDown, 7, 3.4e38f); }, DType::kBFloat16},
    {"too many layers", "INVALID_ARGUMENT", "layers is 10000000",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.layers = 10'000'000; }},
    {"a bias in part", "INVALID_ARGUMENT", "\"model.layers.1.self_attn.k_proj.bias\" is missing",
     [](Checkpoint& c, std::string&, LlamaConfig&) {
       std::erase_if(c.tensors, [](const StoredTensor& t) { return t.name == "model.layers.1.self_attn.k_proj.bias"; });
     }},
    {"biases that the config does not have", "INVALID_ARGUMENT", "q_proj.bias\" is no tensor of this model",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.qkv_bias = false; }},
    {"heads that do not divide", "INVALID_ARGUMENT", "heads is 6, expected a multiple of kvHeads, 4",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.kv_heads = 4; }},
    {"too few frequencies", "INVALID_ARGUMENT", "ropeFrequencies has 4 numbers, expected headDim / 2 = 5",
     [](Checkpoint&, std::string&, LlamaConfig& config) { config.rope_frequencies.pop_back(); }},
};

void spoilt_checkpoints_are_refused() {
  for (const Case& c : kCases) {
    Checkpoint checkpoint = random_checkpoint(tiny_config(), 1);
    LlamaConfig config = tiny_config();
    std::string bytes = checkpoint.bytes(), message;
    c.spoil(checkpoint, bytes, config);
    const TemporaryFile file(bytes);
    const auto backend = make_reference_backend();
    const std::string code =
        error_of([&] { load_weights(*backend, config, checkpoint.in(file), c.dtype, Control()); }, &message);
    check(code == c.code && message.find(c.message) != std::string::npos, "%s: %s \"%s\", want %s \"...%s...\"", c.name,
          code.c_str(), message.c_str(), c.code, c.message);
  }
}

void files_that_are_none() {
  const Checkpoint checkpoint = random_checkpoint(tiny_config(), 1);
  const auto backend = make_reference_backend();
  for (const std::string path : {"/nonexistent/file", "/tmp", "/dev/null"}) {
    std::vector<StoredTensor> tensors = checkpoint.tensors;
    for (StoredTensor& tensor : tensors) tensor.values.parts[0].file = path;
    std::string message;
    CHECK_EQ(error_of([&] { load_weights(*backend, tiny_config(), tensors, DType::kFloat32, Control()); }, &message),
             "FILE_READ");
    CHECK(message.find(path) == 0);
  }
}

void progress_and_cancel() {
  const Checkpoint checkpoint = random_checkpoint(tiny_config(), 1);
  const TemporaryFile file(checkpoint.bytes());
  const auto backend = make_reference_backend();
  int32_t words[2] = {0, 0};
  load_weights(*backend, tiny_config(), checkpoint.in(file), DType::kFloat32, Control(words));
  CHECK_EQ(words[1], 1'000'000);
  words[0] = 1;
  CHECK_EQ(
      error_of([&] { load_weights(*backend, tiny_config(), checkpoint.in(file), DType::kFloat32, Control(words)); }),
      "ABORTED");
}

std::vector<float> logits_of(const LlamaConfig& config, const Checkpoint& checkpoint) {
  const TemporaryFile file(checkpoint.bytes());
  Llama model(make_reference_backend(), config, checkpoint.in(file), DType::kFloat32, Control());
  const std::vector<int32_t> ids = {5, 1, 4, 2};
  std::vector<float> logits(ids.size() * static_cast<size_t>(config.vocab_size));
  sequence_logits(model, ids, logits.data(), Control());
  return logits;
}

// Writes q and k in llama.cpp's order. Loading must restore the order of the rows.
void interleaved_rows_are_put_back() {
  const LlamaConfig config = tiny_config();
  Checkpoint checkpoint = random_checkpoint(config, 1);
  const std::vector<float> want = logits_of(config, checkpoint);
  const size_t d = static_cast<size_t>(config.head_dim);
  for (StoredTensor& tensor : checkpoint.tensors) {
    if (tensor.name.find("q_proj") == std::string::npos && tensor.name.find("k_proj") == std::string::npos) continue;
    const size_t rows = static_cast<size_t>(tensor.shape[0]), cols = tensor.values.parts[0].bytes / 4 / rows;
    float* data = checkpoint.data(tensor.name);
    const std::vector<float> plain(data, data + rows * cols);
    for (size_t head = 0; head < rows; head += d) {
      for (size_t i = 0; i < d / 2; i++) {
        for (size_t j = 0; j < 2; j++) {
          std::copy_n(plain.data() + (head + i + j * d / 2) * cols, cols, data + (head + 2 * i + j) * cols);
        }
      }
    }
    tensor.values.parts[0].rope_interleaved = true;
  }
  CHECK(logits_of(config, checkpoint) == want);
  for (StoredTensor& tensor : checkpoint.tensors) tensor.values.parts[0].rope_interleaved = false;
  CHECK(logits_of(config, checkpoint) != want);
}

void the_bytes_of_a_load_are_known() {
  const Checkpoint checkpoint = random_checkpoint(tiny_config(), 1);
  const TemporaryFile file(checkpoint.bytes());
  const auto backend = make_reference_backend();
  const size_t bytes = weight_bytes(*backend, tiny_config(), DType::kFloat32);
  // Each matrix and vector begins at a multiple of 256 bytes.
  const size_t stored = checkpoint.values.size() * sizeof(float);
  CHECK(bytes >= stored && bytes < stored + 256 * checkpoint.tensors.size());
  CHECK_EQ(load_weights(*backend, tiny_config(), checkpoint.in(file), DType::kFloat32, Control()).bytes, bytes);
}

// Sizes that 64 bits cannot add up are refused, and not taken for small ones.
void sizes_past_64_bits() {
  LlamaConfig config = tiny_config();
  config.layers = 4200;
  config.hidden_size = config.intermediate_size = 1 << 24;
  config.heads = config.kv_heads = 1;
  config.head_dim = 1 << 24;
  config.rope_frequencies.assign(1 << 23, 0.0f);
  CHECK_EQ(error_of([&] { weight_bytes(*make_reference_backend(), config, DType::kFloat32); }), "OUT_OF_MEMORY");
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::spoilt_checkpoints_are_refused();
  mt::test::files_that_are_none();
  mt::test::progress_and_cancel();
  mt::test::interleaved_rows_are_put_back();
  mt::test::the_bytes_of_a_load_are_known();
  mt::test::sizes_past_64_bits();
  return mt::test::finish("model_weights");
}
