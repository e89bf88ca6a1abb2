// Compares every backward op of the CUDA backend with the reference: the sweep of backward_op_test. It is built twice
// (cuda_target.h). On a GPU the sweep is whole, and every op runs twice, because no bit may differ from run to run. In
// the simulator, whose fibers are slow, it is thinned; there the second run has its threads in the other order.
// Products go through the kernels for Hopper too.
#include <algorithm>
#include <string>

#include "cuda_target.h"
#include "op_compare.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

using MT_TARGET::Tiling;

// Every how many cases one runs. It shares no factor with the periods of the sweep (9 shapes, 13 packs without
// segments, 4 windows).
const int kEvery = kSanitized ? 83 : reduced() ? 29 : kFibers ? 11 : 1;

// Runs the op on the reference, and twice on the backend.
void test(Backend& backend, const OpKind& kind, const OpCase& c) {
  const Wanted wanted(kind, c, backend.activation_dtype(c.dtype));
  const std::vector<Output> own = compare(backend.name(), backend, c, wanted);
  run_threads_backwards(true);
  const auto again = kind(backend, c);
  again->run();
  run_threads_backwards(false);
  check(same_bits(own, again->outputs()), "%s %s, %s: other bits in another run", backend.name().c_str(), kind.name,
        c.shape.name);
}

void test_all(const std::vector<DType>& dtypes) {
  // All but the first work through the head's rows in parts of 16.
  std::vector<std::unique_ptr<Backend>> backends;
  for (const Tiling tiling : {Tiling::kAuto, Tiling::kSmall, Tiling::kMiddle, Tiling::kLarge})
    backends.push_back(MT_TARGET::make_backend(0, tiling, tiling == Tiling::kAuto ? MT_TARGET::kHeadBytes : 0));
  int turn = 0;
  for (const OpKind* kind : kBackwardOps)
    for (const DType dtype : dtypes)
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          const bool segments = std::any_of(trees.begin(), trees.end(), [](const auto& t) { return t.segment > 0; });
          if (segments || (shape.dim > 1000 && trees[0].branches[0] > 13)) continue;
          if (++turn % kEvery != 0) continue;
          const int n = turn / kEvery;
          test(*backends[n % 5 % 4], *kind,
               {.shape = shape,
                .dtype = dtype,
                .trees = trees,
                .shift = n % 3 * 4,
                .window = kTestWindows[n % 4],
                .rank = 1 + n % 9});
        }
}

// Heads that have tiles of their own, up to the largest, and rows that see several splits of the forward pass.
void test_attention() {
  const ModelShape shapes[] = {{"head160", 8, 8, 3, 1, 160, 16}, {"head256", 8, 8, 2, 2, 256, 16}};
  const ModelShape small = {"small", 8, 8, 2, 1, 6, 16};
  const auto backend = MT_TARGET::make_backend(0);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const auto one = [&](const ModelShape& shape, const std::vector<TreeSpec>& trees, int window = kWholeWindow) {
      test(*backend, attention_backward, {.shape = shape, .dtype = dtype, .trees = trees, .window = window});
    };
    for (const ModelShape& shape : shapes) {
      one(shape, {{0, 30, {3, 20}}, {0, 0, {9}}});
      one(shape, plain(50), 33);
    }
    one(small, {{0, 500, {40, 3}}});
    one(small, plain(600), 100);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  if (mt::test::no_device()) return mt::test::kSkipped;
  using mt::DType;
  mt::test::test_all({DType::kFloat32, DType::kBFloat16});
  mt::test::test_attention();
#ifdef MT_DEVICE_HOST
  mt::test::pretend_capability(9);
  mt::test::test_all({DType::kBFloat16});
#endif
  return mt::test::finish("cuda_backward_test");
}
