// The bits of a token's scores do not depend on the pack that it was in: plain sequences, prefix trees, many trees, a
// KV cache filled in steps of any size, and any number of threads give the same bits.
#include "model_bitwise.h"

#include <cstdlib>
#include <string>

#include "check.h"
#include "sanitizer.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

const std::vector<size_t> kPrompts =
    kSanitized ? std::vector<size_t>{1, 65} : std::vector<size_t>{1, 2, 15, 16, 17, 63, 64, 65, 130, 300};
constexpr size_t kLonger = kSanitized ? 90 : 700, kShorter = kSanitized ? 20 : 90;

struct Variant {
  std::string name;
  std::unique_ptr<Backend> backend;
};

std::vector<Variant> backends() {
  std::vector<Variant> all;
  if (!kThreadSanitized) all.push_back({"reference", make_reference_backend()});
  for (const std::string& name : cpu_variants()) {
    for (const int threads : {1, 3}) {
      if (kThreadSanitized && threads == 1) continue;
      setenv("MT_LLAMA_CPU", name.c_str(), 1);
      all.push_back({"cpu " + name + " " + std::to_string(threads), make_cpu_backend(threads)});
    }
  }
  unsetenv("MT_LLAMA_CPU");
  return all;
}

void keep_bits(const char* name, const LlamaConfig& config, DType dtype, const std::vector<Request>& requests) {
  std::string last;
  std::vector<std::vector<float>> of_last;
  for (Variant& variant : backends()) {
    std::printf("%s %s %s\n", name, variant.name.c_str(), std::string(dtype_name(dtype)).c_str());
    const std::shared_ptr<Llama> model = load_tiny(std::move(variant.backend), dtype, config);
    const std::vector<std::vector<float>> alone = score_alone(*model, requests);
    trees_and_packs_change_nothing(*model, requests, alone);
    sessions_equal_one_pass(model, kLonger, kShorter);
    a_sequence_ignores_its_batch(model);
    rows_of_an_ended_sequence_are_free(model);
    rows_that_are_copied_keep_their_tokens(model);
    // The same kernels on another number of threads.
    const std::string kernels = model->backend().name();
    if (kernels == last) {
      for (size_t i = 0; i < alone.size(); i++) CHECK(same_bits(alone[i], of_last[i]));
    }
    last = kernels;
    of_last = alone;
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt;
  using namespace mt::test;
  const std::vector<Request> requests = random_requests(kPrompts);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    keep_bits("llama", tiny_config(), dtype, requests);
    keep_bits("sister", sister_config(), dtype, requests);
  }
  return finish("model_bitwise");
}
