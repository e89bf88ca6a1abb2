// A whole model on the CUDA backend, its kernels on the host device layer: scores near the reference's, the same bits
// in every pack, tree, session and tile.
#include <algorithm>
#include <cmath>
#include <string>

#include "check.h"
#include "cuda_target.h"
#include "model_bitwise.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

using MT_TARGET::Tiling;

std::shared_ptr<Llama> load(Tiling tiling, DType dtype) { return load_tiny(MT_TARGET::make_backend(0, tiling), dtype); }

// The largest difference of a log-probability.
double difference(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); i++)
    for (size_t j = 0; j < a[i].size(); j++) most = std::max(most, std::fabs(double{a[i][j]} - b[i][j]));
  return most;
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt;
  using namespace mt::test;
  if (no_device()) return kSkipped;
  const std::vector<Request> requests = random_requests({1, 17, 65});
  const auto exact_model = load_tiny(make_reference_backend(), DType::kFloat32);
  const std::vector<std::vector<float>> exact = score_alone(*exact_model, requests);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const std::shared_ptr<Llama> model = load(Tiling::kAuto, dtype);
    const std::vector<std::vector<float>> alone = score_alone(*model, requests);
    const double error = difference(alone, exact);
    const double plain = difference(score_alone(*load_tiny(make_reference_backend(), dtype), requests), exact);
    // Twice the error of the plain computation, though the reference keeps float16's activations in float32.
    const double bound = dtype == DType::kFloat32 ? 2e-5 : 2 * plain;
    const std::string name(dtype_name(dtype));
    std::printf("%s: log-probabilities off by %.2g at most, the reference's by %.2g\n", name.c_str(), error, plain);
    check(error <= bound, "%s: log-probabilities are off by %.3g, want %.3g at most", name.c_str(), error, bound);
    trees_and_packs_change_nothing(*model, requests, alone);
    sessions_equal_one_pass(model, 150, 40);
    a_sampled_sequence_ignores_its_batch(model);
    rows_of_an_ended_sequence_are_free(model);
    for (const Tiling tiling : {Tiling::kSmall, Tiling::kLarge}) {
      const std::vector<std::vector<float>> tiled = score_alone(*load(tiling, dtype), requests);
      for (size_t i = 0; i < alone.size(); i++) CHECK(same_bits(tiled[i], alone[i]));
    }
  }
  return finish("cuda_model_test");
}
