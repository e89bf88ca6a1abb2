// Holds every op of the CPU backend, in every variant of kernels.inc, to the reference, over swept sizes.
// A variant that the processor lacks runs its tile logic over a scalar model of its instruction; the run lists those.
// How to add an op: cases.h.
#include <algorithm>
#include <cmath>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
#include "check.h"
#include "model_kernels.h"
#include "op_run.h"

namespace mt::test {
namespace {

constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1

double norm(const float* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

// How far two right results may lie apart. Rounding errors of a sum of n products walk at random: about
// 0.7 * 2^-24 * |a| |b| on each side; 8 is more than five times that for the two of them.
class Bounds {
 public:
  Bounds(const OpCase& c, const OpRun& run, const std::vector<float>& want) : case_(c), run_(run), want_(want) {
    const ModelShape& s = c.shape;
    in_ = static_cast<int>(run.input().rows.size() / std::max(1, run.rows()));
    if (c.op == Op::kAttention) {
      for (size_t i = 0; i < run.input().k.size(); i += s.head_dim)
        largest_key_ = std::max(largest_key_, norm(&run.input().k[i], s.head_dim));
      return;
    }
    if (in_ > 0 && c.op != Op::kRmsNorm)
      for (size_t i = 0; i < run.input().weights.size(); i += in_)
        weight_norms_.push_back(norm(&run.input().weights[i], in_));
  }

  double at(int row, int col) const {
    const ModelShape& s = case_.shape;
    const double want = std::fabs(want_[size_t(row) * run_.width() + col]);
    // An output rounded to bf16 may fall on the other side of a tie: a unit in the last of its 8 bits.
    const double rounding = (case_.dtype == DType::kBFloat16 ? 0x1p-7 : 2 * kEps) * want;
    switch (case_.op) {
      case Op::kEmbed:
      case Op::kAppendKv:
      case Op::kGather:
        return 0;
      case Op::kRmsNorm:
        return rounding + 4 * kEps * std::sqrt(in_) * want;
      case Op::kOut:
      case Op::kDown:
        return product(row, col) + 8 * kEps * (want + 2);
      case Op::kHeadLogits:
        return product(row, col);
      case Op::kQkv: {
        const int d = s.head_dim, partner = col / d * d + (col % d + d / 2) % d;
        return product(row, col) + product(row, partner) + 8 * kEps * (want + 2);
      }
      case Op::kSwiglu: {
        const double gate = product(row, col), up = product(row, s.ffn + col);
        const double size = weight_norms_[col] * row_norm(row) + 1;  // |gate| at most
        const double value = weight_norms_[s.ffn + col] * row_norm(row) + 1;
        return rounding + 1.1 * gate * std::min(value, 6 * value / std::sqrt(in_) + 1) + size * up + 16 * kEps * want;
      }
      case Op::kAttention: {
        const float* q = &run_.input().rows[size_t(row) * in_ + col / s.head_dim * s.head_dim];
        if (case_.dtype == DType::kBFloat16)
          // Queries, keys, weights and values may be rounded to bf16, each by 2^-9 at most.
          return rounding + 10 * 0x1p-9 * norm(q, s.head_dim) * largest_key_ / s.head_dim + 0x1p-8;
        const double score = 8 * kEps * norm(q, s.head_dim) * largest_key_ / std::sqrt(s.head_dim);
        return rounding + 2 * score + 64 * kEps;  // values are at most 1
      }
      case Op::kHeadScore:
        return 0;
    }
    return 0;
  }

  double product(int row, int col) const { return 8 * kEps * row_norm(row) * weight_norms_[col]; }

 private:
  double row_norm(int row) const { return norm(&run_.input().rows[size_t(row) * in_], in_); }

  const OpCase& case_;
  const OpRun& run_;
  const std::vector<float>& want_;
  int in_ = 0;
  double largest_key_ = 0;
  std::vector<double> weight_norms_;
};

// Sanitizers make a run some twenty times slower: they get every seventh case, 7 dividing no period of the sweep.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kEvery = 7;
#else
constexpr int kEvery = 1;
#endif

std::string describe(const OpCase& c) {
  std::string s = std::string(op_name(c.op)) + " " + c.shape.name + " " + std::string(dtype_name(c.dtype)) + " trees";
  for (const TreeSpec& t : c.trees) {
    s += " " + std::to_string(t.segment) + "+" + std::to_string(t.prefix) + "(";
    for (size_t i = 0; i < t.branches.size(); i++) s += (i ? " " : "") + std::to_string(t.branches[i]);
    s += ")";
  }
  if (c.shift) s += " shift " + std::to_string(c.shift);
  if (c.bias) s += " bias";
  return s;
}

struct Variant {
  std::string name;
  std::unique_ptr<Backend> backend;
  bool whole;  // runs all cases; else, being slow, a third
};

// What the reference says of a case, computed once for all variants.
struct Wanted {
  explicit Wanted(const OpCase& c) : reference(make_reference_backend()), run(*reference, c) {
    run.run();
    values = run.output();
    if (c.op != Op::kHeadScore) return;
    logits_case = c;
    logits_case.op = Op::kHeadLogits;
    logits_run = std::make_unique<OpRun>(*reference, logits_case);
    logits_run->run();
    logits = logits_run->output();
  }

  std::unique_ptr<Backend> reference;
  OpRun run;
  std::vector<float> values;
  OpCase logits_case;  // head_score only
  std::unique_ptr<OpRun> logits_run;
  std::vector<float> logits;
};

void compare(const Variant& v, const OpCase& c, const Wanted& wanted) {
  const std::string& variant = v.name;
  OpRun run(*v.backend, c);
  run.run();
  const std::vector<float>& want = wanted.values;
  const std::vector<float> got = run.output();
  const int width = run.width();

  if (c.op == Op::kHeadScore) {
    const std::vector<float>& logits = wanted.logits;
    const Bounds bounds(wanted.logits_case, *wanted.logits_run, logits);
    for (int r = 0; r < run.rows(); r++) {
      double widest = 0;
      for (int j = 0; j < c.shape.vocab; j++) widest = std::max(widest, bounds.product(r, j));
      const float* g = &got[size_t(r) * width];
      const float* w = &want[size_t(r) * width];
      const float* row = &logits[size_t(r) * c.shape.vocab];
      for (int i = 0; i < width; i++) {
        const bool is_id = i == 1 || (i >= 2 && i < 2 + c.top_k);
        // Ids may differ where the reference's own logits are closer than the error.
        const double difference = is_id ? row[int(g[i])] - row[int(w[i])] : g[i] - w[i];
        const double bound = is_id ? widest : 2 * widest + 32 * kEps * (std::fabs(w[i]) + 1);
        check(std::fabs(difference) <= bound, "%s %s: row %d field %d = %.9g, want %.9g +- %.2g", variant.c_str(),
              describe(c).c_str(), r, i, g[i], w[i], bound);
      }
    }
    return;
  }

  const Bounds bounds(c, wanted.run, want);
  size_t out = 0, worst = 0;
  double worst_share = 0;
  for (size_t i = 0; i < want.size(); i++) {
    const double bound = bounds.at(static_cast<int>(i / width), static_cast<int>(i % width));
    const double error = std::fabs(double{got[i]} - want[i]);
    if (error <= bound) continue;
    out++;
    const double share = std::isnan(error) || bound == 0 ? 1e300 : error / bound;
    if (share > worst_share) worst_share = share, worst = i;
  }
  check(out == 0, "%s %s: [%zu, %zu] = %.9g, want %.9g +- %.2g (%zu of %zu out)", variant.c_str(), describe(c).c_str(),
        worst / width, worst % width, got[worst], want[worst],
        bounds.at(static_cast<int>(worst / width), static_cast<int>(worst % width)), out, want.size());
}

void test(const std::vector<Variant>& variants, const OpCase& c, bool whole) {
  const Wanted wanted(c);
  for (const Variant& v : variants)
    if (whole || v.whole) compare(v, c, wanted);
}

void test_all(const std::vector<Variant>& variants) {
  for (const auto& op : kOps)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
      int turn = 0;
      for (const ModelShape& shape : kTestShapes)
        for (const auto& trees : kTestPacks) {
          turn++;
          if (turn % kEvery != 0) continue;
          if (shape.dim > 1000 && (trees.size() > 1 || trees[0].branches[0] > 13)) continue;
          const OpCase c = {op.op, shape, dtype, trees, turn % 2 == 0, turn % 4 == 1 ? 3 : 0, turn % 3 * 4};
          test(variants, c, turn % 3 == 0);
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
  if (kEvery > 1) std::printf("under a sanitizer: one case of %d\n", kEvery);
  for (const Variant& v : variants) std::printf("testing %s\n", v.name.c_str());
  test_all(variants);
  return finish("op_test");
}
