// Attention of the CUDA backend. On the packs of op_test its error is bounded, and as a whole at most twice that of the
// plain computation in its dtype. A row's bits do not depend on where the tokens before it lie, nor on what else is in
// the pack.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "backend/cuda/attention/attention.h"
#include "cases.h"
#include "check.h"
#include "cuda_memory.h"
#include "cuda_target.h"
#include "random.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

using namespace MT_TARGET;

// Every how many cases one runs.
const int kEvery = kSanitized || reduced() ? 5 : 1;
constexpr int kManySlots = 1 << 16;

using Floats = std::vector<float>;

struct Inputs {
  HeadShape shape;
  int window = kWholeWindow;
  std::vector<int32_t> ids, pos, branch_start;
  std::vector<Tree> trees;
  Floats q, k, v, cache_k, cache_v;

  int tokens() const { return static_cast<int>(branch_start.size()); }
  int kv_dim() const { return shape.kv_heads * shape.head_dim; }
  Pack pack() const { return {ids, pos, branch_start, trees}; }

  // Adds `count` tokens of a new branch, or of a prefix.
  void add(int count, int position) {
    const int start = tokens();
    for (int i = 0; i < count; i++) {
      ids.push_back(0);
      branch_start.push_back(start);
      pos.push_back(position + i);
    }
  }
};

Inputs make_inputs(const std::vector<TreeSpec>& specs, HeadShape shape) {
  Inputs in;
  in.shape = shape;
  int cached = 0;
  for (const TreeSpec& spec : specs) {
    Tree tree = {in.tokens(), 0, spec.prefix, cached, spec.segment};
    cached += spec.segment;
    in.add(spec.prefix, spec.segment);
    for (const int length : spec.branches) in.add(length, spec.segment + spec.prefix);
    tree.end = in.tokens();
    in.trees.push_back(tree);
  }
  in.q = random(size_t(in.tokens()) * shape.heads * shape.head_dim, 1, 2);
  in.k = random(size_t(in.tokens()) * in.kv_dim(), 2, 2);
  in.v = random(size_t(in.tokens()) * in.kv_dim(), 3, 1);
  in.cache_k = random(size_t(cached) * in.kv_dim(), 4, 2);
  in.cache_v = random(size_t(cached) * in.kv_dim(), 5, 1);
  return in;
}

// `shift` is by how many bytes, a multiple of 4, all arrays are off their alignment.
template <class T>
Floats attend(Device& device, const Inputs& in, int max_slots = kManySlots, int shift = 0) {
  const AttentionPlan plan = plan_attention(in.pack(), in.shape, in.window, max_slots);
  const Placed<AttentionTile> tiles(device, plan.tiles);
  const Placed<MergedTile> merged(device, plan.merged);
  const Placed<int32_t> branch_start(device, in.branch_start);
  const Placed<float> q(device, in.q, shift), k(device, in.k, shift), v(device, in.v, shift),
      cache_k(device, in.cache_k, shift), cache_v(device, in.cache_v, shift),
      partials(device, plan.slots * partial_floats(in.shape), 0);
  const Placed<T> out(device, in.q.size(), shift);
  attention(device, plan,
            {tiles.data(), merged.data(), branch_start.data(), q.data(), k.data(), v.data(), cache_k.data(),
             cache_v.data(), plan.slots ? partials.data() : nullptr, nullptr, in.shape, in.window},
            out.data());
  return widen(out.read());
}

Floats attend_by_reference(const Inputs& in) {
  const auto backend = make_reference_backend();
  const int tokens = in.tokens();
  const auto view = [&](const Floats& x, int cols) {
    return View{const_cast<float*>(x.data()), static_cast<int>(x.size()) / cols, cols, DType::kFloat32};
  };
  Floats out(in.q.size());
  const KvCache cache = {{view(in.cache_k, in.kv_dim())}, {view(in.cache_v, in.kv_dim())}};
  const int q_dim = in.shape.heads * in.shape.head_dim;
  backend->attention(*backend->place(in.pack(), in.shape, {}), view(in.q, q_dim), view(in.k, in.kv_dim()),
                     view(in.v, in.kv_dim()), &cache, 0, in.shape, in.window,
                     {out.data(), tokens, q_dim, DType::kFloat32});
  return out;
}

Floats rounded(Floats x, DType dtype) {
  for (float& f : x) f = round_to(f, dtype);
  return x;
}

// Attention as a framework computes it in `dtype`: inputs, weights and result are rounded, scores and sums are float32.
Floats attend_plainly(const Inputs& in, DType dtype) {
  const int d = in.shape.head_dim, group = in.shape.heads / in.shape.kv_heads;
  const Floats q = rounded(in.q, dtype), k = rounded(in.k, dtype), v = rounded(in.v, dtype),
               cache_k = rounded(in.cache_k, dtype), cache_v = rounded(in.cache_v, dtype);
  Floats out;
  for (const Tree& tree : in.trees)
    for (int t = tree.start; t < tree.end; t++)
      for (int head = 0; head < in.shape.heads; head++) {
        std::vector<const float*> keys, values;
        const int column = head / group * d;
        for (int i = 0; i < tree.segment_len; i++) {
          keys.push_back(&cache_k[size_t(tree.segment_row + i) * in.kv_dim() + column]);
          values.push_back(&cache_v[size_t(tree.segment_row + i) * in.kv_dim() + column]);
        }
        for (int c = tree.start; c <= t; c++)
          if (c >= in.branch_start[t] || c < tree.start + tree.prefix_len) {
            keys.push_back(&k[size_t(c) * in.kv_dim() + column]);
            values.push_back(&v[size_t(c) * in.kv_dim() + column]);
          }
        const size_t hidden = keys.size() - std::min(keys.size(), static_cast<size_t>(in.window));
        keys.erase(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(hidden));
        values.erase(values.begin(), values.begin() + static_cast<ptrdiff_t>(hidden));
        std::vector<double> weights;
        for (const float* key : keys) {
          double sum = 0;
          for (int i = 0; i < d; i++) sum += double{q[(size_t(t) * in.shape.heads + head) * d + i]} * key[i];
          weights.push_back(sum / std::sqrt(double(d)));
        }
        const double largest = *std::max_element(weights.begin(), weights.end());
        double total = 0;
        for (double& w : weights) total += w = std::exp(w - largest);
        for (int i = 0; i < d; i++) {
          double sum = 0;
          for (size_t j = 0; j < keys.size(); j++)
            sum += double{round_to(static_cast<float>(weights[j] / total), dtype)} * values[j][i];
          out.push_back(round_to(static_cast<float>(sum), dtype));
        }
      }
  return out;
}

double squares_of_difference(const Floats& a, const Floats& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

double norm(const float* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

// The errors of all cases of one dtype. Ours must be at most twice that of the plain computation.
struct Tally {
  double ours = 0, plain = 0;
};

template <class T>
void compare(Device& device, const Inputs& in, int shift, const std::string& name, Tally& tally) {
  const Floats got = attend<T>(device, in, kManySlots, shift), want = attend_by_reference(in);
  const int d = in.shape.head_dim;
  double largest_key = 0;
  for (const Floats& k : {in.k, in.cache_k})
    for (size_t i = 0; i < k.size(); i += d) largest_key = std::max(largest_key, norm(&k[i], d));
  // Query, key, weight, value and result are rounded by at most `unit` each. Errors of float32 sums grow as a random
  // walk.
  const double unit = sizeof(T) == 4 ? 0x1p-24 : std::is_same_v<T, bf16> ? 0x1p-9 : 0x1p-12;
  for (size_t i = 0; i < want.size(); i++) {
    const double size = norm(&in.q[i / d * d], d) * largest_key;
    const double bound = sizeof(T) == 4 ? 16 * unit * size / std::sqrt(d) + 64 * unit
                                        : 2 * unit * std::fabs(want[i]) + 10 * unit * size / d + 2 * unit;
    if (std::fabs(double{got[i]} - want[i]) <= bound) continue;
    return check(false, "%s: [%zu, %zu] = %.9g, want %.9g +- %.2g", name.c_str(), i / (d * in.shape.heads),
                 i % (d * in.shape.heads), got[i], want[i], bound);
  }
  check(true, "%s", name.c_str());
  tally.ours += squares_of_difference(got, want);
  tally.plain += squares_of_difference(attend_plainly(in, dtype_of<T>()), want);
}

template <class T>
void test_cases(Device& device) {
  const std::string dtype(dtype_name(dtype_of<T>()));
  Tally tally;
  int turn = static_cast<int>(dtype_of<T>());
  const auto one = [&](const char* name, HeadShape shape, const std::vector<TreeSpec>& specs, int number,
                       int window = kWholeWindow) {
    Inputs in = make_inputs(specs, shape);
    in.window = window;
    compare<T>(device, in, turn % 3 * 4,
               dtype + " " + name + " pack " + std::to_string(number) + " window " + std::to_string(window), tally);
  };
  for (const ModelShape& s : kTestShapes)
    for (size_t i = 0; i < kTestPacks.size(); i++)
      // Every pack and every shape, but not every pair of them.
      if (turn++ % 4 == 0 && turn % kEvery == 0)
        one(s.name, {s.heads, s.kv_heads, s.head_dim}, kTestPacks[i], static_cast<int>(i), kTestWindows[turn / 4 % 4]);
  one("head256", {2, 1, 256}, {{3, 40, {2, 30, 4}}, {0, 0, {33}}}, 0);
  one("head160", {1, 1, 160}, {{0, 31, {1, 33, 2, 2}}}, 0);
  one("many heads", {71, 1, 8}, {{0, 3, {1, 2}}, {60, 0, {3}}}, 0);
  for (const int window : {kWholeWindow, 1, 40, 513, 520})
    one("long", {2, 1, 16}, {{500, 10, {4, 1, 20}}, {1030, 0, {1}}, {0, 511, {2, 3}}, {1015, 0, {40}}}, 0, window);
  if (sizeof(T) == 4) return;
  check(tally.ours <= 4 * tally.plain, "%s: error %.3g, of the plain computation %.3g", dtype.c_str(),
        std::sqrt(tally.ours), std::sqrt(tally.plain));
}

// ---- the same bits ----

// How a sequence is laid out: its first `segment` tokens lie in the cache, the next `prefix` tokens are a prefix, and
// the rest is a branch. Other branches of `before` and `after` tokens stand before and after that one.
struct Arrangement {
  int segment, prefix, before, after;
};

// Appends rows [begin, end) of `from`, whose width is `cols`, to `to`.
void append(Floats& to, const Floats& from, int begin, int end, int cols) {
  to.insert(to.end(), from.begin() + size_t(begin) * cols, from.begin() + size_t(end) * cols);
}

Inputs arrange(const Inputs& plain, const Arrangement& a) {
  constexpr int kSkew = 3;  // rows of the cache, and tokens of another tree, that come before ours
  const int length = plain.tokens(), shared = a.segment + a.prefix, kv_dim = plain.kv_dim();
  const int q_dim = plain.shape.heads * plain.shape.head_dim;
  Inputs in;
  in.shape = plain.shape;
  in.window = plain.window;
  in.add(kSkew, 0);
  if (a.prefix) in.add(a.prefix, a.segment);
  in.add(a.before, shared);
  in.add(length - shared, shared);
  in.add(a.after, shared);
  in.trees = {{0, kSkew, 0, 0, 0}, {kSkew, in.tokens(), a.prefix, kSkew, a.segment}};
  const auto fill = [&](Floats& to, const Floats& from, int cols, int seed) {
    to = random(size_t(kSkew) * cols, seed, 1);
    append(to, from, a.segment, shared, cols);
    append(to, random(size_t(a.before) * cols, seed + 1, 3), 0, a.before, cols);
    append(to, from, shared, length, cols);
    append(to, random(size_t(a.after) * cols, seed + 2, 3), 0, a.after, cols);
  };
  fill(in.q, plain.q, q_dim, 20);
  fill(in.k, plain.k, kv_dim, 30);
  fill(in.v, plain.v, kv_dim, 40);
  in.cache_k = random(size_t(kSkew) * kv_dim, 50, 1);
  in.cache_v = random(size_t(kSkew) * kv_dim, 51, 1);
  append(in.cache_k, plain.k, 0, a.segment, kv_dim);
  append(in.cache_v, plain.v, 0, a.segment, kv_dim);
  return in;
}

template <class T>
void test_bits(Device& device, HeadShape shape, int length, const std::vector<Arrangement>& arrangements,
               int window = kWholeWindow) {
  Inputs plain = make_inputs({{0, 0, {length}}}, shape);
  plain.window = window;
  const Floats want = attend<T>(device, plain);
  const size_t q_dim = size_t(shape.heads) * shape.head_dim;
  int turn = 0;
  for (const Arrangement& a : arrangements) {
    turn++;
    // The turns vary the order of threads, the steps (one, or one for each tile) and whether vectors are used.
    run_threads_backwards(turn % 2 == 0);
    const Floats all = attend<T>(device, arrange(plain, a), turn % 3 ? kManySlots : 1, turn % 5 ? 0 : 4);
    run_threads_backwards(false);
    const int shared = a.segment + a.prefix;
    const float* got = &all[(3 + a.prefix + a.before) * q_dim];
    for (int t = shared; t < length; t++)
      check(
          std::memcmp(got + (t - shared) * q_dim, &want[t * q_dim], q_dim * sizeof(float)) == 0,
          "%s heads %d/%d x %d window %d: position %d with segment %d, prefix %d, branches of %d and %d around differs "
          "from the plain sequence",
          std::string(dtype_name(dtype_of<T>())).c_str(), shape.heads, shape.kv_heads, shape.head_dim, window, t,
          a.segment, a.prefix, a.before, a.after);
  }
}

template <class T>
void test_all_bits(Device& device) {
  const std::vector<Arrangement> around_blocks = {
      {0, 5, 2, 3},  {0, 63, 1, 1},  {0, 64, 0, 9},  {0, 65, 70, 0}, {0, 149, 1, 1},  {0, 147, 9, 30},  {1, 0, 0, 0},
      {63, 0, 0, 0}, {100, 0, 0, 0}, {149, 0, 0, 0}, {64, 64, 2, 2}, {130, 10, 3, 1}, {100, 30, 40, 40}};
  test_bits<T>(device, {4, 2, 16}, 150, around_blocks);
  test_bits<T>(device, {4, 2, 16}, 150, around_blocks, 70);
  // f16 goes through the same code as bf16.
  if (kEvery > 1 || std::is_same_v<T, f16>) return;
  test_bits<T>(device, {3, 1, 80}, 150, around_blocks);
  test_bits<T>(device, {1, 1, 256}, 150, {{0, 130, 3, 3}, {149, 0, 0, 0}, {0, 140, 1, 9}, {33, 95, 2, 2}});
  const std::vector<Arrangement> around_splits = {{0, 511, 2, 3},  {0, 512, 1, 1},   {0, 1090, 3, 40}, {1099, 0, 0, 0},
                                                  {1020, 0, 0, 0}, {1000, 30, 4, 4}, {500, 560, 1, 1}};
  for (const int window : {kWholeWindow, 520, 40}) test_bits<T>(device, {1, 1, 16}, 1100, around_splits, window);
}

// Values that are too large for T, infinite or NaN change only the rows that see them.
template <class T>
void test_values_stay_with_those_who_see_them(Device& device) {
  for (const HeadShape shape : {HeadShape{4, 2, 16}, HeadShape{1, 1, 160}}) {
    Inputs in = make_inputs({{0, 70, {5, 9, 3}}, {0, 0, {40}}}, shape);
    const auto spoilt = [](int token) { return (token >= 75 && token < 84) || token >= 107; };
    const Floats want = attend<T>(device, in);
    for (size_t i = 0; i < in.v.size(); i++)
      if (spoilt(static_cast<int>(i) / in.kv_dim())) in.v[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    const Floats got = attend<T>(device, in);
    const size_t q_dim = size_t(shape.heads) * shape.head_dim;
    for (int t = 0; t < in.tokens(); t++)
      check(spoilt(t) || std::memcmp(&got[t * q_dim], &want[t * q_dim], q_dim * sizeof(float)) == 0,
            "%s heads of %d: token %d does not see the values that are no numbers, but changes with them",
            std::string(dtype_name(dtype_of<T>())).c_str(), shape.head_dim, t);
  }
}

// In a step of decoding, partial sums take memory for the rows that exist, not for whole tiles.
void test_scratch_of_decoding() {
  constexpr int kSequences = 64, kSplits = 8, kHeads = 32, kHeadDim = 128;
  constexpr int kMaxBytes = 128 << 20;
  for (const int kv_heads : {kHeads, 8}) {
    const HeadShape shape = {kHeads, kv_heads, kHeadDim};
    Inputs in;
    for (int i = 0; i < kSequences; i++) {
      in.trees.push_back({i, i + 1, 0, i * kSplits * kSplit, kSplits * kSplit - 1});
      in.add(1, kSplits * kSplit - 1);
    }
    const size_t slot_bytes = partial_floats(shape) * sizeof(float);
    const int max_slots = static_cast<int>(kMaxBytes / slot_bytes);
    const AttentionPlan plan = plan_attention(in.pack(), shape, kWholeWindow, max_slots);
    CHECK_EQ(plan.steps.size(), 1u);
    CHECK_EQ(plan.tiles.size(), size_t{kSequences} * kSplits);
    CHECK_EQ(plan.slots * slot_bytes, sizeof(float) * kSequences * kSplits * kHeads * (kHeadDim + 2));
    // A window that begins at a split has no tile for those before it, and a window in one split nothing to merge.
    CHECK_EQ(plan_attention(in.pack(), shape, 2 * kSplit, max_slots).tiles.size(), size_t{kSequences} * 2);
    CHECK_EQ(plan_attention(in.pack(), shape, 2 * kSplit + 1, max_slots).tiles.size(), size_t{kSequences} * 3);
    CHECK_EQ(plan_attention(in.pack(), shape, kSplit, max_slots).slots, 0);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  test_scratch_of_decoding();
  Device device(0);
  test_cases<float>(device);
  test_cases<bf16>(device);
  test_cases<f16>(device);
  test_all_bits<float>(device);
  test_all_bits<bf16>(device);
  test_all_bits<f16>(device);
  test_values_stay_with_those_who_see_them<float>(device);
  test_values_stay_with_those_who_see_them<bf16>(device);
  test_values_stay_with_those_who_see_them<f16>(device);
  return finish("cuda_attention_test");
}
