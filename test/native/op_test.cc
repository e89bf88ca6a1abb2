// Compares every op of the CPU backend with the reference, in every variant of kernels.inc, over swept sizes.
// If the processor lacks a variant, its tile logic runs over a scalar model of its instruction; the run lists those.
// native/README.md says how to add an op.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
#include "check.h"
#include "model_kernels.h"
#include "op_compare.h"
#include "sanitizer.h"

// Memory that a backend allocates holds NaNs, so that it shows if the backend fails to zero some of it.
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  void* p = nullptr;
  return posix_memalign(&p, size_t(alignment), bytes) == 0 ? std::memset(p, 0xff, bytes) : nullptr;
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }

namespace mt::test {
namespace {

// Every how many cases one runs. 7, 13 and 37 divide no period of the sweep.
const int kEvery = kThreadSanitized ? 37 : kSanitized ? 13 : std::getenv("MT_LLAMA_VERIFY") ? 1 : 7;

struct Variant {
  std::string name;
  std::unique_ptr<Backend> backend;
  bool whole;  // whether it runs all cases; slow ones run a third
};

void test(const std::vector<Variant>& variants, const OpKind& kind, const OpCase& c, bool whole) {
  const Wanted wanted(kind, c, variants[0].backend->activation_dtype(c.dtype));
  for (const Variant& v : variants)
    if (whole || v.whole) compare(v.name, *v.backend, c, wanted);
}

void test_all(const std::vector<Variant>& variants) {
  for (const OpKind* kind : kForwardOps)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
      int turn = 0;
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          turn++;
          if (turn % kEvery != 0) continue;
          if (shape.dim > 1000 && (trees.size() > 1 || trees[0].branches[0] > 13)) continue;
          const int n = turn / kEvery;
          const OpCase c = {.shape = shape,
                            .dtype = dtype,
                            .trees = trees,
                            .bias = turn % 2 == 0,
                            .top_k = turn % 4 == 1 ? 3 : 0,
                            .adjusted = n % 2 == 1,
                            .shift = turn % 3 * 4,
                            .head_norms = n % 4 < 2,
                            .window = kTestWindows[n % 4],
                            .adapted = n % 3 == 1};
          test(variants, *kind, c, turn % 3 == 0);
        }
    }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  const std::vector<std::string> native = mt::cpu_variants();
  std::vector<Variant> variants;
#define X(name)                                                                    \
  if (std::find(native.begin(), native.end(), #name) == native.end())              \
    std::printf("%s: this processor lacks it; only its model is tested\n", #name); \
  else                                                                             \
    variants.push_back({#name, mt::cpu::make_backend(mt::cpu::kernels_##name(), 2), true});
#include "backend/cpu/kernels.inc"
#undef X
  const std::vector<mt::cpu::CpuKernels> models = model_kernels();
  for (const mt::cpu::CpuKernels& k : models) variants.push_back({k.name, mt::cpu::make_backend(k, 2), false});
  if (kEvery > 1) std::printf("one case of %d; MT_LLAMA_VERIFY=1 runs all without a sanitizer\n", kEvery);
  for (const Variant& v : variants) std::printf("testing %s\n", v.name.c_str());
  test_all(variants);
  return finish("op_test");
}
