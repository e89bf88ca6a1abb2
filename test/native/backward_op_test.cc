// Compares every backward op of the CPU backend with the reference, in every variant of kernels.inc, over swept sizes,
// and the CPU with itself on another number of threads, bit for bit.
#include <algorithm>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "cases.h"
#include "model_kernels.h"
#include "op_compare.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

constexpr int kEvery = kSanitized ? 11 : 1;

struct Variant {
  std::string name;
  std::unique_ptr<Backend> backend, threaded;
};

void add(std::vector<Variant>& variants, const cpu::CpuKernels& kernels) {
  variants.push_back({kernels.name, cpu::make_backend(kernels, 1), cpu::make_backend(kernels, 3)});
}

void test(const std::vector<Variant>& variants, const OpKind& kind, const OpCase& c) {
  const Wanted wanted(kind, c, variants[0].backend->activation_dtype(c.dtype));
  for (const Variant& variant : variants) {
    const auto own = compare(variant.name, *variant.backend, c, wanted);
    const auto threaded = kind(*variant.threaded, c);
    threaded->run();
    check(same_bits(own, threaded->outputs()), "%s %s, %s, tree of %d: other bits with three threads",
          variant.name.c_str(), kind.name, c.shape.name, c.trees[0].branches[0]);
  }
}

void test_all(const std::vector<Variant>& variants) {
  for (const OpKind* kind : kBackwardOps)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      int turn = 0;
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          const bool segments = std::any_of(trees.begin(), trees.end(), [](const auto& t) { return t.segment > 0; });
          if (segments || (shape.dim > 1000 && trees[0].branches[0] > 13)) continue;
          if (++turn % (4 * kEvery) != 0) continue;
          test(variants, *kind,
               {.shape = shape,
                .dtype = dtype,
                .trees = trees,
                .shift = turn / 4 % 3 * 4,
                .window = kTestWindows[turn / 4 % 4],
                .rank = 1 + turn / 4 % 9});
        }
    }
  test(variants, repack, {.shape = kTestShapes[0], .dtype = DType::kFloat16, .trees = plain(1)});
  // A sum over more tokens than one pass takes, and so many rows that a task packs its own.
  const ModelShape tall = {.name = "tall", .dim = 56, .ffn = 400, .heads = 1, .kv_heads = 1, .head_dim = 8, .vocab = 5};
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16})
    test(variants, linear_backward, {.shape = tall, .dtype = dtype, .trees = plain(2100)});
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  const std::vector<std::string> native = mt::cpu_variants();
  std::vector<Variant> variants;
#define X(name) \
  if (std::find(native.begin(), native.end(), #name) != native.end()) add(variants, mt::cpu::kernels_##name());
#include "backend/cpu/kernels.inc"
#undef X
  const std::vector<mt::cpu::CpuKernels> models = model_kernels();
  for (const mt::cpu::CpuKernels& kernels : models) add(variants, kernels);
  test_all(variants);
  return finish("backward_op_test");
}
