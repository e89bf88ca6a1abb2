// case.txt consists of words between white space: a key, then its values.
#include "golden_case.h"

#include <fstream>
#include <stdexcept>

#include "../../native/base/file.h"

namespace mt::test {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), in_(path) {}

  template <class T>
  T get() {
    T value{};
    if (!(in_ >> value)) throw std::runtime_error(path_ + " ends early, or holds something else than a number");
    return value;
  }
  void expect(const std::string& word) {
    const auto found = get<std::string>();
    if (found != word) throw std::runtime_error(path_ + " has \"" + found + "\" where \"" + word + "\" should be");
  }
  template <class T>
  std::vector<T> list() {
    std::vector<T> values(get<size_t>());
    for (T& value : values) value = get<T>();
    return values;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::ifstream in_;
};

LlamaConfig read_config(Reader& in) {
  LlamaConfig c;
  in.expect("dimensions");
  for (int* field : {&c.vocab_size, &c.hidden_size, &c.intermediate_size, &c.layers}) *field = in.get<int>();
  in.expect("heads");
  for (int* field : {&c.heads, &c.kv_heads, &c.head_dim}) *field = in.get<int>();
  in.expect("context");
  c.context_length = in.get<int>();
  in.expect("tied");
  c.tied_head = in.get<int>() != 0;
  in.expect("biases");
  for (bool* field : {&c.qkv_bias, &c.o_bias, &c.mlp_bias}) *field = in.get<int>() != 0;
  in.expect("head_norms");
  c.head_norms = in.get<int>() != 0;
  in.expect("windows");
  c.windows = in.list<int>();
  in.expect("eps");
  c.rms_norm_eps = in.get<float>();
  in.expect("rope");
  c.rope_attention_factor = in.get<float>();
  c.rope_frequencies = in.list<float>();
  c.check();
  return c;
}

StoredTensor read_tensor(Reader& in, const std::string& file) {
  StoredTensor tensor;
  tensor.name = in.get<std::string>();
  tensor.values.axis = static_cast<StoredStack::Axis>(in.get<int>());
  tensor.shape = in.list<int64_t>();
  tensor.values.parts.resize(in.get<size_t>());
  for (StoredPart& part : tensor.values.parts) {
    part.file = file;
    part.type = stored_type(in.get<std::string>(), in.path());
    part.offset = in.get<uint64_t>();
    part.bytes = in.get<uint64_t>();
    part.rope_interleaved = in.get<int>() != 0;
    part.shape = in.list<int64_t>();
  }
  return tensor;
}

std::vector<GoldenToken> read_continuation(Reader& in) {
  std::vector<GoldenToken> tokens(in.get<size_t>());
  for (GoldenToken& token : tokens) {
    token.id = in.get<int32_t>();
    token.log_prob = in.get<float>();
    token.is_argmax = in.get<int>() != 0;
    token.margin = in.get<float>();
  }
  return tokens;
}

GoldenText read_text(Reader& in) {
  GoldenText text = {.prompt = in.list<int32_t>(), .generated = {}, .margins = {}};
  in.expect("generated");
  const size_t count = in.get<size_t>();
  for (size_t i = 0; i < count; i++) {
    text.generated.push_back(in.get<int32_t>());
    text.margins.push_back(in.get<float>());
  }
  return text;
}

}  // namespace

std::vector<std::string> golden_names(const std::string& folder) {
  std::ifstream in(folder + "/cases.txt");
  std::vector<std::string> names;
  for (std::string name; in >> name;) names.push_back(name);
  return names;
}

GoldenCase read_golden(const std::string& folder, const std::string& name) {
  const std::string own = folder + "/" + name;
  Reader in(own + "/case.txt");
  GoldenCase golden;
  golden.name = name;
  in.expect("mt-llama-golden");
  in.expect("1");
  golden.config = read_config(in);
  in.expect("bfloat16_error");
  golden.bfloat16_error = in.get<double>();
  const File logits(own + "/logits.bin");
  uint64_t logits_read = 0;
  for (;;) {
    const auto key = in.get<std::string>();
    if (key == "end") return golden;
    if (key == "tensor") {
      golden.tensors.push_back(read_tensor(in, own + "/weights.bin"));
    } else if (key == "sequence") {
      GoldenSequence sequence = {.label = in.get<std::string>(), .ids = {}, .rows = in.get<int>(), .logits = {}};
      sequence.ids = in.list<int32_t>();
      sequence.logits.resize(static_cast<size_t>(sequence.rows) * golden.config.vocab_size);
      logits.read(logits_read, sequence.logits.data(), sequence.logits.size() * sizeof(float));
      logits_read += sequence.logits.size() * sizeof(float);
      golden.sequences.push_back(std::move(sequence));
    } else if (key == "request") {
      golden.requests.push_back({in.list<int32_t>(), {}});
    } else if (key == "continuation" && !golden.requests.empty()) {
      golden.requests.back().continuations.push_back(read_continuation(in));
    } else if (key == "greedy") {
      golden.texts.push_back(read_text(in));
    } else {
      throw std::runtime_error(in.path() + " has \"" + key + "\", which is no key of it");
    }
  }
}

}  // namespace mt::test
