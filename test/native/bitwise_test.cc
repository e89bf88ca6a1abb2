// A row's result may not depend, in a single bit, on the rows beside it, on the number of threads, or on whether the
// tokens before it lie in the same branch, in a shared prefix or in the KV cache. Every variant, every dtype.
#include <algorithm>
#include <cstring>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
#include "check.h"
#include "check/case.h"
#include "model_kernels.h"
#include "random.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

struct Variant {
  std::string name;
  const cpu::CpuKernels* kernels;
};

std::vector<Variant> variants(const std::vector<cpu::CpuKernels>& models) {
  const std::vector<std::string> native = cpu_variants();
  std::vector<Variant> all;
#define X(name)                                                       \
  if (std::find(native.begin(), native.end(), #name) != native.end()) \
    all.push_back({#name, &cpu::kernels_##name()});                   \
  else                                                                \
    std::printf("%s: this processor lacks it; only its model is tested\n", #name);
#include "backend/cpu/kernels.inc"
#undef X
  for (const cpu::CpuKernels& k : models) all.push_back({k.name, &k});
  return all;
}

using Rows = std::vector<std::vector<float>>;

// A backend with some memory: uploads rows, reads them back.
struct Bench {
  Bench(const Variant& variant, int threads, DType dtype)
      : backend(cpu::make_backend(*variant.kernels, threads)), activation(backend->activation_dtype(dtype)) {}

  View view(int rows, int cols, DType dtype) {
    buffers.push_back(backend->allocate(std::max<size_t>(64, size_t(rows) * cols * 4)));
    return {buffers.back()->data(), rows, cols, dtype};
  }
  std::unique_ptr<Matrix> matrix(int rows, int cols, MatrixKind kind, DType dtype) {
    buffers.push_back(backend->allocate(backend->matrix_bytes(rows, cols, kind, {}, dtype)));
    return backend->create_matrix(rows, cols, kind, {}, dtype, buffers.back()->data());
  }
  View upload(const Rows& rows, DType dtype) {
    const View v = view(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), dtype);
    size_t i = 0;
    for (const auto& row : rows)
      for (const float f : row) {
        if (dtype == DType::kFloat32)
          static_cast<float*>(v.data)[i++] = f;
        else
          static_cast<uint16_t*>(v.data)[i++] = f32_to_bf16(f);
      }
    return v;
  }
  static Rows read(View v) {
    Rows rows(v.rows, std::vector<float>(v.cols));
    for (size_t i = 0; i < size_t(v.rows) * v.cols; i++)
      rows[i / v.cols][i % v.cols] = v.dtype == DType::kFloat32 ? static_cast<const float*>(v.data)[i]
                                                                : bf16_to_f32(static_cast<const uint16_t*>(v.data)[i]);
    return rows;
  }

  std::unique_ptr<Backend> backend;
  DType activation;
  std::vector<std::unique_ptr<Buffer>> buffers;
};

Rows random_rows(int rows, int cols, uint64_t seed) {
  Rows r(rows);
  for (int i = 0; i < rows; i++) r[i] = random(cols, seed * 1000 + i, 1);
  return r;
}

Rows pick(const Rows& rows, const std::vector<int>& list) {
  Rows picked;
  for (const int i : list) picked.push_back(rows[i]);
  return picked;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

// ---- ops that take rows one by one ----

struct RowWeights {
  RowWeights(Bench& b, DType dtype, int dim, int vocab) {
    const auto make = [&](int rows, int cols, MatrixKind kind, uint64_t seed) {
      auto matrix = b.matrix(rows, cols, kind, dtype);
      b.backend->write_rows(*matrix, 0, rows, random(size_t(rows) * cols, seed, 1).data());
      return matrix;
    };
    plain = make(vocab, dim, MatrixKind::kPlain, 3);
    gate_up = make(2 * 75, dim, MatrixKind::kGateUp, 4);
    a = make(5, dim, MatrixKind::kPlain, 7);
    plain_b = make(vocab, 5, MatrixKind::kPlain, 8);
    gate_up_b = make(2 * 75, 5, MatrixKind::kGateUp, 9);
  }

  std::unique_ptr<Matrix> plain, gate_up, a, plain_b, gate_up_b;
};

// Results for the rows of `list`: rms_norm, linear_add, swiglu, both with adapters too, head_score and its best three,
// side by side.
Rows row_results(Bench& b, const Rows& rows, const std::vector<int>& list, const RowWeights& w) {
  const Matrix &plain = *w.plain, &gate_up = *w.gate_up;
  const int n = static_cast<int>(list.size()), dim = static_cast<int>(rows[0].size());
  const Rows input = pick(rows, list);
  const View h = b.upload(input, b.activation), x = b.upload(input, DType::kFloat32);
  const View normed = b.view(n, dim, b.activation), f = b.view(n, gate_up.rows / 2, b.activation);
  const View weight = b.upload({random(dim, 5, 1)}, DType::kFloat32);
  const View sum = b.upload(Rows(n, random(plain.rows, 6, 1)), DType::kFloat32);
  b.backend->rms_norm(x, weight, 1e-5f, normed);
  b.backend->swiglu(h, gate_up, {}, f);
  b.backend->linear_add(h, plain, {}, sum, sum);
  const View z = b.view(n, w.a->rows, b.activation), adapted_f = b.view(n, gate_up.rows / 2, b.activation);
  const View adapted_sum = b.upload(Rows(n, random(plain.rows, 6, 1)), DType::kFloat32);
  b.backend->backward()->product(h, *w.a, z);
  b.backend->swiglu(h, gate_up, {}, adapted_f, {z, w.gate_up_b.get()});
  b.backend->linear_add(h, plain, {}, adapted_sum, adapted_sum, {z, w.plain_b.get()});
  std::vector<float> log_prob(n), top_log_prob(3 * n);
  std::vector<int32_t> argmax(n), top_ids(3 * n), targets(n);
  for (int i = 0; i < n; i++) targets[i] = list[i] * 37 % plain.rows;
  b.backend->head_score(h, plain, targets, 3, {log_prob, argmax, top_ids, top_log_prob}, Control());
  Rows all(n);
  const Rows parts[] = {Bench::read(normed), Bench::read(f), Bench::read(sum), Bench::read(adapted_f),
                        Bench::read(adapted_sum)};
  for (int i = 0; i < n; i++) {
    for (const Rows& part : parts) all[i].insert(all[i].end(), part[i].begin(), part[i].end());
    all[i].push_back(log_prob[i]);
    all[i].push_back(static_cast<float>(argmax[i]));
    for (int j = 0; j < 3; j++) {
      all[i].push_back(static_cast<float>(top_ids[3 * i + j]));
      all[i].push_back(top_log_prob[3 * i + j]);
    }
  }
  return all;
}

void test_rows(const Variant& v, DType dtype, int dim, int vocab) {
  constexpr int kRows = 133;
  const Rows rows = random_rows(kRows, dim, 1);
  std::vector<int> all(kRows);
  for (int i = 0; i < kRows; i++) all[i] = i;
  std::vector<std::vector<int>> lists = {{all.rbegin(), all.rend()}, {0}, {7}, {132}, {50, 3}};
  for (const int length : {3, 5, 6, 7, 13, 16, 17, 33})
    lists.emplace_back(all.begin() + length, all.begin() + 2 * length);
  // So many that a task packs its own rows.
  lists.emplace_back(3 * kRows);
  for (int i = 0; i < 3 * kRows; i++) lists.back()[i] = i * 31 % kRows;
  Rows want;
  for (const int threads : {1, 2, 3}) {
    Bench b(v, threads, dtype);
    const RowWeights weights(b, dtype, dim, vocab);
    if (want.empty()) want = row_results(b, rows, all, weights);
    for (const auto& list : lists) {
      const Rows got = row_results(b, rows, list, weights);
      for (size_t i = 0; i < list.size(); i++)
        check(same_bits(got[i], want[list[i]]), "%s %s dim %d vocab %d threads %d: row %d of %zu beside others differs",
              v.name.c_str(), std::string(dtype_name(dtype)).c_str(), dim, vocab, threads, list[i], list.size());
    }
  }
}

// ---- attention ----

// The last `rest` tokens of a sequence of q, k and v rows, whose first tokens lie in the cache (segment), in a shared
// prefix with other branches around, or in the branch itself.
struct Arrangement {
  int segment;
  int prefix;
  int before;  // tokens of a branch before, and of one after
  int after;
};

Rows attend(Bench& b, HeadShape shape, int window, const Rows& q, const Rows& k, const Rows& v, Arrangement a) {
  const int length = static_cast<int>(q.size()), kv_dim = shape.kv_heads * shape.head_dim;
  constexpr int kSkew = 3;  // cache rows, and pack rows of another tree, before ours
  Rows pack_q = random_rows(kSkew, shape.heads * shape.head_dim, 21), pack_k = random_rows(kSkew, kv_dim, 22),
       pack_v = random_rows(kSkew, kv_dim, 23);
  std::vector<int32_t> branch_start(kSkew, 0), pos = {0, 1, 2};
  const auto add = [&](const Rows& rq, const Rows& rk, const Rows& rv, int from, int to, int position) {
    const int start = static_cast<int>(branch_start.size());
    for (int i = from; i < to; i++) {
      pack_q.push_back(rq[i]);
      pack_k.push_back(rk[i]);
      pack_v.push_back(rv[i]);
      branch_start.push_back(start);
      pos.push_back(position + i - from);
    }
  };
  const auto other_branch = [&](int tokens, int seed) {
    add(random_rows(tokens, shape.heads * shape.head_dim, seed), random_rows(tokens, kv_dim, seed + 1),
        random_rows(tokens, kv_dim, seed + 2), 0, tokens, a.segment + a.prefix);
  };
  const int shared = a.segment + a.prefix;
  if (a.prefix) add(q, k, v, a.segment, shared, a.segment);
  other_branch(a.before, 31);
  const int ours = static_cast<int>(branch_start.size());
  add(q, k, v, shared, length, shared);
  other_branch(a.after, 41);

  const Tree trees[] = {{0, kSkew, 0, 0, 0},
                        {kSkew, static_cast<int>(branch_start.size()), a.prefix, kSkew, a.segment}};
  Rows cache_k = random_rows(kSkew, kv_dim, 51), cache_v = random_rows(kSkew, kv_dim, 52);
  cache_k.insert(cache_k.end(), k.begin(), k.begin() + a.segment);
  cache_v.insert(cache_v.end(), v.begin(), v.begin() + a.segment);
  const KvCache cache = {{b.upload(cache_k, DType::kFloat32)}, {b.upload(cache_v, DType::kFloat32)}};
  const std::vector<int32_t> ids(branch_start.size(), 0);
  const auto placed = b.backend->place({ids, pos, branch_start, trees}, shape, {&window, 1});
  const View out = b.view(static_cast<int>(branch_start.size()), shape.heads * shape.head_dim, b.activation);
  b.backend->attention(*placed, b.upload(pack_q, DType::kFloat32), b.upload(pack_k, DType::kFloat32),
                       b.upload(pack_v, DType::kFloat32), &cache, 0, shape, window, out);
  const Rows all = Bench::read(out);
  return {all.begin() + ours, all.begin() + ours + length - shared};
}

void test_attention(const Variant& v, DType dtype, HeadShape shape, int window) {
  constexpr int kLength = 150;
  const Rows q = random_rows(kLength, shape.heads * shape.head_dim, 11);
  const Rows k = random_rows(kLength, shape.kv_heads * shape.head_dim, 12);
  const Rows val = random_rows(kLength, shape.kv_heads * shape.head_dim, 13);
  Rows want;
  for (const int threads : {1, 2}) {
    Bench b(v, threads, dtype);
    if (want.empty()) want = attend(b, shape, window, q, k, val, {0, 0, 0, 0});
    for (const Arrangement a : {Arrangement{0, 5, 2, 3},
                                {0, 63, 1, 1},
                                {0, 64, 0, 9},
                                {0, 65, 70, 0},
                                {0, 149, 1, 1},
                                {1, 0, 0, 0},
                                {63, 0, 0, 0},
                                {64, 0, 0, 0},
                                {100, 0, 0, 0},
                                {149, 0, 0, 0},
                                {64, 64, 2, 2},
                                {37, 41, 3, 1},
                                {100, 30, 40, 40},
                                {0, 0, 0, 0}}) {
      const Rows got = attend(b, shape, window, q, k, val, a);
      for (size_t i = 0; i < got.size(); i++)
        check(
            same_bits(got[i], want[kLength - got.size() + i]),
            "%s %s head_dim %d heads %d/%d window %d threads %d: attention of position %zu with segment %d, prefix %d, "
            "branches of %d and %d around differs from the plain sequence",
            v.name.c_str(), std::string(dtype_name(dtype)).c_str(), shape.head_dim, shape.heads, shape.kv_heads, window,
            threads, kLength - got.size() + i, a.segment, a.prefix, a.before, a.after);
    }
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  const std::vector<mt::cpu::CpuKernels> models = model_kernels();
  for (const Variant& v : variants(models))
    for (const mt::DType dtype : {mt::DType::kFloat32, mt::DType::kBFloat16, mt::DType::kFloat16}) {
      const bool model = v.name.ends_with("model");
      if (kThreadSanitized && model) continue;
      test_rows(v, dtype, 48, 333);
      if (kSanitized && model) continue;
      test_rows(v, dtype, 101, 70);
      if (!model && !kSanitized)
        test_rows(v, dtype, 2500, 1100);  // several passes over k, several ranges of the vocabulary
      for (const int window : {mt::check::kWholeWindow, 70}) {
        test_attention(v, dtype, {4, 2, 16}, window);
        if (kThreadSanitized) continue;
        test_attention(v, dtype, {3, 1, 80}, window);
        if (!model) test_attention(v, dtype, {8, 1, 64}, window);
      }
      test_attention(v, dtype, {4, 2, 16}, 5);
    }
  return finish("bitwise_test");
}
