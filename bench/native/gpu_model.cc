// All tensors of the model begin at the same place of one file.
#include "gpu_model.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "model/parameters.h"
#include "random.h"

namespace mt::bench {
namespace {

LlamaConfig llama(int vocab, int dim, int ffn, int layers, int heads, int head_dim, int context) {
  LlamaConfig c;
  c.vocab_size = vocab;
  c.hidden_size = dim;
  c.intermediate_size = ffn;
  c.layers = layers;
  c.heads = c.kv_heads = heads;
  c.head_dim = head_dim;
  c.context_length = context;
  c.rms_norm_eps = 1e-6f;
  for (int i = 0; i < head_dim / 2; i++)
    c.rope_frequencies.push_back(static_cast<float>(std::pow(1e4, -2.0 * i / head_dim)));
  c.check();
  return c;
}

// A file with `ones` ones and then `count` random weights, all bf16. It is deleted with the object.
class WeightFile {
 public:
  WeightFile(size_t ones, size_t count)
      : path_(std::filesystem::temp_directory_path() / ("mt_llama_bench_" + std::to_string(getpid()))) {
    std::vector<uint16_t> values(ones + count, f32_to_bf16(1));
    test::Random random(1);
    for (size_t i = ones; i < values.size(); i++) values[i] = f32_to_bf16(0.035f * random.value());
    std::ofstream out(path_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(2 * values.size()));
    if (out.flush()) return;
    remove();
    throw Error(ErrorCode::FILE_READ, path_.string() + " could not be written");
  }
  ~WeightFile() { remove(); }
  WeightFile(const WeightFile&) = delete;
  WeightFile& operator=(const WeightFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  void remove() noexcept {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  std::filesystem::path path_;
};

}  // namespace

LlamaConfig llama_7b() { return llama(32000, 4096, 11008, 32, 32, 128, 2048); }
LlamaConfig tiny_llama() { return llama(96, 64, 160, 2, 2, 32, 256); }

std::shared_ptr<Llama> random_llama(std::unique_ptr<Backend> backend, const LlamaConfig& c) {
  const int64_t dim = c.hidden_size, ffn = c.intermediate_size, q = c.q_size(), vocab = c.vocab_size;
  const WeightFile file(dim, std::max({vocab * dim, ffn * dim, q * dim}));
  std::vector<StoredTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    StoredPart part;
    part.file = file.path();
    part.type = StoredType::kBF16;
    part.offset = shape.size() == 1 ? 0 : 2 * dim;
    part.bytes = 2;
    for (const int64_t n : shape) part.bytes *= n;
    part.shape = shape;
    StoredTensor tensor;
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.values.parts = {part};
    tensors.push_back(tensor);
  };
  for (const Parameter& parameter : parameters(c)) add(parameter.name, parameter.shape());
  return std::make_shared<Llama>(std::move(backend), c, tensors, DType::kBFloat16, Control());
}

test::Request random_request(std::mt19937& random, int prefix, int continuations, int length, int vocab) {
  const auto ids = [&](int count) {
    std::vector<int32_t> ids(count);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<unsigned>(vocab));
    return ids;
  };
  test::Request request = {ids(prefix), {}};
  for (int i = 0; i < continuations; i++) request.continuations.push_back(ids(length));
  return request;
}

ScoredPack fill_pack(std::mt19937& random, int budget, Sharing sharing, int prefix, int continuations, int length,
                     int vocab) {
  ScoredPack filled;
  const int of_request =
      sharing == Sharing::kTrees ? prefix + continuations * (length - 1) : continuations * (prefix + length - 1);
  do {
    const test::Request request = random_request(random, prefix, continuations, length, vocab);
    if (sharing == Sharing::kTrees)
      filled.pack.add_tree(request);
    else
      filled.pack.add_plain(request);
    filled.requests++;
    filled.sequences += continuations;
  } while (static_cast<int>(filled.pack.ids.size()) + of_request <= budget);
  return filled;
}

double matrix_flops(const LlamaConfig& c, double tokens, double rows) {
  const double dim = c.hidden_size, q = c.q_size(), kv = c.kv_size();
  const double attention = dim * (q + 2 * kv) + q * dim, ffn = 3 * dim * c.intermediate_size;
  return 2 * (tokens * (c.layers * attention + (c.layers - 1) * ffn) + rows * (ffn + dim * c.vocab_size));
}

double step_weight_bytes(const LlamaConfig& c, DType dtype) {
  // A row does two operations for each weight, so half of its operations is the number of weights.
  return matrix_flops(c, 1, 1) / 2 * static_cast<double>(dtype_size(dtype));
}

}  // namespace mt::bench
