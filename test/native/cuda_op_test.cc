// Holds every op of the CUDA backend, its kernels running on the host device layer, to the reference: op_test's sweep,
// thinned, because fibers are slow. Every tile of the matrix product takes its turn, and threads run in either order.
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/host/fibers.h"
#include "check.h"
#include "op_compare.h"

namespace mt::test {
namespace {

using host_device::Schedule;
using host_device::Tiling;

// None divides a period of the sweep (9 shapes, 15 packs, and the turns below).
#if defined(__SANITIZE_ADDRESS__)
constexpr int kEvery = 41;
#else
constexpr int kEvery = 7;
#endif

void test_all() {
  std::unique_ptr<Backend> backends[] = {
      host_device::make_backend(0, Tiling::kAuto), host_device::make_backend(0, Tiling::kSmall),
      host_device::make_backend(0, Tiling::kMiddle), host_device::make_backend(0, Tiling::kLarge)};
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
          host_device::set_schedule(n % 8 < 4 ? Schedule::kForward : Schedule::kBackward);
          compare(backend.name(), backend, c, Wanted(c, backend.activation_dtype(dtype)));
        }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::test_all();
  return mt::test::finish("cuda_op_test");
}
