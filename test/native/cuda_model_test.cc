// A whole model on the CUDA backend: scores are near those of the reference, and their bits do not depend on pack,
// tree, session or tile. It is built twice (cuda_target.h): on a GPU sequences are longer, and there is a second model,
// whose products fill many tiles.
#include <algorithm>
#include <cmath>
#include <string>

#include "check.h"
#include "cuda_target.h"
#include "model_bitwise.h"
#include "sanitizer.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

using MT_TARGET::Tiling;

std::shared_ptr<Llama> load(Tiling tiling, DType dtype) { return load_tiny(MT_TARGET::make_backend(0, tiling), dtype); }

// The largest difference of a log-probability.
double difference(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  double max_difference = 0;
  for (size_t i = 0; i < a.size(); i++)
    for (size_t j = 0; j < a[i].size(); j++)
      max_difference = std::max(max_difference, std::fabs(double{a[i][j]} - b[i][j]));
  return max_difference;
}

const std::vector<size_t> kLongPrompts = {1, 2, 15, 16, 17, 63, 64, 65, 128, 129, 300, 600};

void bits_of_a_middle_model(DType dtype) {
  const LlamaConfig config = middle_config();
  const Checkpoint checkpoint = random_checkpoint(config, 2, 0.03f);
  const TemporaryFile file(checkpoint.bytes());
  const auto model = std::make_shared<Llama>(MT_TARGET::make_backend(0), config, checkpoint.in(file), dtype, Control());
  const std::vector<Request> requests = random_requests(kLongPrompts);
  trees_and_packs_change_nothing(*model, requests, score_alone(*model, requests));
  sessions_equal_one_pass(model, 1300, 90);
  a_sequence_ignores_its_batch(model);
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt;
  using namespace mt::test;
  if (no_device()) return kSkipped;
  const bool few = kFibers || reduced();
  const size_t longer = kSanitized ? 70 : few ? 150 : 700, shorter = kSanitized ? 20 : few ? 40 : 90;
  const std::vector<size_t> few_prompts = kSanitized ? std::vector<size_t>{1, 65} : std::vector<size_t>{1, 17, 65};
  const std::vector<Request> requests = random_requests(few ? few_prompts : kLongPrompts);
  const auto exact_model = load_tiny(make_reference_backend(), DType::kFloat32);
  const std::vector<std::vector<float>> exact = score_alone(*exact_model, requests);
  struct Variant {
    DType dtype;
    int capability;  // compute capability of the simulator
  };
  constexpr Variant kVariants[] = {
      {DType::kFloat32, 8},
      {DType::kBFloat16, 8},
      {DType::kFloat16, 8},
#ifdef MT_DEVICE_HOST
      {DType::kBFloat16, 9},
#endif
  };
  for (const auto& [dtype, capability] : kVariants) {
    if (kSanitized && dtype != DType::kBFloat16) continue;
    pretend_capability(capability);
    const std::shared_ptr<Llama> model = load(Tiling::kAuto, dtype);
    const std::vector<std::vector<float>> alone = score_alone(*model, requests);
    const double error = difference(alone, exact);
    const double plain = difference(score_alone(*load_tiny(make_reference_backend(), dtype), requests), exact);
    // The bound is twice the error of the plain computation, although the reference keeps the activations of float16 in
    // float32.
    const double bound = dtype == DType::kFloat32 ? 2e-5 : 2 * plain;
    const std::string name = std::string(dtype_name(dtype)) + (capability == 9 ? " as Hopper" : "");
    std::printf("%s: log-probabilities off by %.2g at max_difference, the reference's by %.2g\n", name.c_str(), error,
                plain);
    check(error <= bound, "%s: log-probabilities are off by %.3g, want %.3g at max_difference", name.c_str(), error,
          bound);
    trees_and_packs_change_nothing(*model, requests, alone);
    sessions_equal_one_pass(model, longer, shorter);
    a_sequence_ignores_its_batch(model);
    rows_of_an_ended_sequence_are_free(model);
    rows_that_are_copied_keep_their_tokens(model);
    for (const Tiling tiling : {Tiling::kSmall, Tiling::kLarge}) {
      if (kSanitized && capability == 9) continue;  // cuda_gemm_test has the tiles on Hopper
      const std::vector<std::vector<float>> tiled = score_alone(*load(tiling, dtype), requests);
      for (size_t i = 0; i < alone.size(); i++) CHECK(same_bits(tiled[i], alone[i]));
    }
    if (!few) bits_of_a_middle_model(dtype);
  }
  const std::vector<Request> few_requests = random_requests({1, 90});
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    if (kSanitized && dtype != DType::kBFloat16) continue;
    const std::shared_ptr<Llama> model = load_tiny(MT_TARGET::make_backend(0), dtype, sister_config());
    const std::vector<std::vector<float>> alone = score_alone(*model, few_requests);
    if (dtype == DType::kFloat32) {
      const auto exact_sister = load_tiny(make_reference_backend(), dtype, sister_config());
      const double error = difference(alone, score_alone(*exact_sister, few_requests));
      check(error <= 2e-5, "head norms and windows: log-probabilities are off by %.3g, want 2e-5 at most", error);
    }
    trees_and_packs_change_nothing(*model, few_requests, alone);
    sessions_equal_one_pass(model, kSanitized ? 80 : few ? 100 : 700, shorter);
  }
  return finish("cuda_model_test");
}
