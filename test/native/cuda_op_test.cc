// Compares every op of the CUDA backend with the reference: the sweep of op_test, with every tile of the matrix product
// in turn. It is built twice (cuda_target.h). On a GPU the sweep is whole. In the simulator, whose fibers are slow, it
// is thinned; threads run in either order, and ops with kernels of their own for Hopper go through those too.
#include "check.h"
#include "cuda_target.h"
#include "op_compare.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

using MT_TARGET::Tiling;

// Every how many cases one runs. It shares no factor with the periods of the sweep (9 shapes, 15 packs, and the turns
// below), so that all of their combinations come.
const int kEvery = kSanitized || reduced() ? 41 : kFibers ? 7 : 1;

// With `only_products` only matrix products run, which have kernels of their own on Hopper (gemm_sm90.cuh).
void test_all(const std::string& device, bool only_products, const std::vector<DType>& dtypes) {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const Tiling tiling : {Tiling::kAuto, Tiling::kSmall, Tiling::kMiddle, Tiling::kLarge})
    backends.push_back(MT_TARGET::make_backend(0, tiling));
  const std::string name = backends[0]->name() + device;
  std::printf("testing %s\n", name.c_str());
  int turn = 0;
  for (const OpKind* kind : kForwardOps)
    for (const DType dtype : dtypes)
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          if (only_products && !kind->is_product) continue;
          turn++;
          if (turn % kEvery != 0) continue;
          if (shape.dim > 1000 && (trees.size() > 1 || trees[0].branches[0] > 13)) continue;
          const int n = turn / kEvery;
          const OpCase c = {.shape = shape,
                            .dtype = dtype,
                            .trees = trees,
                            .bias = n % 2 == 0,
                            .top_k = n % 4 == 1   ? 3
                                     : n % 4 == 3 ? 1
                                                  : 0,
                            .adjusted = n % 3 > 0,
                            .shift = n % 3 * 4,
                            .head_norms = n % 5 < 3,
                            .window = kTestWindows[n % 5 % 4],
                            .adapted = n % 7 < 3 && dtype != DType::kFloat16};
          Backend& backend = *backends[n % 4];
          run_threads_backwards(n % 8 >= 4);
          compare(name, backend, c, Wanted(*kind, c, backend.activation_dtype(dtype)));
        }
}

}  // namespace
}  // namespace mt::test

int main() {
  if (mt::test::no_device()) return mt::test::kSkipped;
  using mt::DType;
  mt::test::test_all("", false, {DType::kFloat32, DType::kBFloat16, DType::kFloat16});
#ifdef MT_DEVICE_HOST
  mt::test::pretend_capability(9);
  mt::test::test_all(" as Hopper", true, {DType::kBFloat16, DType::kFloat16});
#endif
  return mt::test::finish("cuda_op_test");
}
