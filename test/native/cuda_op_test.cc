// Holds every op of the CUDA backend to the reference: op_test's sweep, with every tile of the matrix product in turn.
// Built twice (cuda_target.h): on a GPU it is whole; on the host device layer, whose fibers are slow, it is thinned,
// and threads run in either order.
#include "check.h"
#include "cuda_target.h"
#include "op_compare.h"

namespace mt::test {
namespace {

using MT_TARGET::Tiling;

// None divides a period of the sweep (9 shapes, 15 packs, and the turns below).
#if defined(__SANITIZE_ADDRESS__)
const int kEvery = 41;
#else
const int kEvery = reduced() ? 41 : kFibers ? 7 : 1;
#endif

void test_all() {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const Tiling tiling : {Tiling::kAuto, Tiling::kSmall, Tiling::kMiddle, Tiling::kLarge})
    backends.push_back(MT_TARGET::make_backend(0, tiling));
  std::printf("testing %s\n", backends[0]->name().c_str());
  int turn = 0;
  for (const auto& op : kOps)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16})
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          turn++;
          if (turn % kEvery != 0) continue;
          if (shape.dim > 1000 && (trees.size() > 1 || trees[0].branches[0] > 13)) continue;
          const int n = turn / kEvery;
          const OpCase c = {op.op, shape, dtype, trees, n % 2 == 0, n % 4 == 1 ? 3 : n % 4 == 3 ? 1 : 0, n % 3 * 4};
          Backend& backend = *backends[n % 4];
          run_threads_backwards(n % 8 >= 4);
          compare(backend.name(), backend, c, Wanted(c, backend.activation_dtype(dtype)));
        }
}

}  // namespace
}  // namespace mt::test

int main() {
  if (mt::test::no_device()) return mt::test::kSkipped;
  mt::test::test_all();
  return mt::test::finish("cuda_op_test");
}
