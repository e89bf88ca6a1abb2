// The CUDA backend's ops on rows: copies are exact, RMSNorm and the head's reductions agree with plain sums, ties go to
// the lowest id, and bits do not depend on the number of rows or their alignment. cuda_op_test.cc runs the cases of
// op_test.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "backend/cuda/ops/ops.h"
#include "check.h"
#include "cuda_memory.h"
#include "cuda_target.h"
#include "logit_rows.h"
#include "random.h"

namespace mt::test {
namespace {

using namespace MT_TARGET;

using Floats = std::vector<float>;
using Ids = std::vector<int32_t>;

bool same_bits(const float* a, const float* b, size_t count) { return std::memcmp(a, b, count * sizeof(float)) == 0; }

// ---- copies ----

template <class T>
void test_embed(Device& device, int cols, int shift) {
  constexpr int kVocab = 21;
  const int64_t stride = (cols * sizeof(T) + 15) / 16 * 16 / sizeof(T);
  const Floats values = random(kVocab * stride, 1, 1, dtype_of<T>());
  const Ids ids = {20, 0, 3, 3, 7, 1, 19, 2, 5};
  const Placed<T> placed(device, narrow<T>(values));
  const Placed<float> x(device, ids.size() * cols, shift);
  embed(device, placed.data(), stride, Placed<int32_t>(device, ids).data(), static_cast<int>(ids.size()), cols,
        x.data());
  const Floats got = x.read();
  for (size_t t = 0; t < ids.size(); t++)
    check(same_bits(&got[t * cols], &values[ids[t] * stride], cols), "embed %s %d columns, shift %d: token %zu",
          std::string(dtype_name(dtype_of<T>())).c_str(), cols, shift, t);
}

void test_copies(Device& device, int cols, int shift) {
  constexpr int kRows = 19;
  const Floats x = random(size_t(kRows) * cols, 2, 1), v = random(size_t(kRows) * cols, 3, 1);
  const Ids rows = {18, 0, 5, 5, 11, 2, 17, 3, 4, 9}, cache_rows = {3, 1, 0, 2, 9, 4, 7, 6, 5, 8};
  const int count = static_cast<int>(rows.size());
  const Placed<float> placed_x(device, x, shift), placed_v(device, v, shift);
  const Placed<int32_t> list(device, rows), cache_list(device, cache_rows);
  const Placed<float> y(device, size_t(count) * cols, shift);
  const Placed<float> cache_k(device, size_t(count) * cols), cache_v(device, size_t(count) * cols);
  gather_rows(device, placed_x.data(), list.data(), count, cols, y.data());
  append_kv(device, placed_x.data(), placed_v.data(), cache_list.data(), count, cols, cache_k.data(), cache_v.data());
  const Floats got = y.read(), got_k = cache_k.read(), got_v = cache_v.read();
  for (int i = 0; i < count; i++) {
    const float *row_x = &x[size_t(rows[i]) * cols], *row_k = &x[size_t(i) * cols], *row_v = &v[size_t(i) * cols];
    const size_t to = size_t(cache_rows[i]) * cols;
    check(same_bits(&got[size_t(i) * cols], row_x, cols), "gather_rows %d columns, shift %d: row %d", cols, shift, i);
    check(same_bits(&got_k[to], row_k, cols) && same_bits(&got_v[to], row_v, cols),
          "append_kv %d columns, shift %d: row %d", cols, shift, i);
  }
}

// ---- RMSNorm ----

template <class T>
Floats norm_rows(Device& device, const Floats& x, const Floats& w, int cols, int shift) {
  const Placed<float> placed_x(device, x, shift), placed_w(device, w, shift);
  const Placed<T> y(device, x.size(), shift);
  rms_norm(device, placed_x.data(), placed_w.data(), 1e-5f, static_cast<int>(x.size()) / cols, cols, y.data());
  return widen(y.read());
}

template <class T>
void test_rms_norm(Device& device, int cols) {
  constexpr int kRows = 3;
  const Floats x = random(size_t(kRows) * cols, 4, 3), w = random(cols, 5, 2);
  const Floats all = norm_rows<T>(device, x, w, cols, 0);
  const double unit = sizeof(T) == 4 ? 0x1p-24 : std::is_same_v<T, bf16> ? 0x1p-8 : 0x1p-11;
  for (int r = 0; r < kRows; r++) {
    const Floats row(x.begin() + size_t(r) * cols, x.begin() + size_t(r + 1) * cols);
    double squares = 0;
    for (const float f : row) squares += double{f} * f;
    for (int c = 0; c < cols; c++) {
      const double want = row[c] / std::sqrt(squares / cols + 1e-5) * w[c];
      // The error of a float32 sum of squares grows as a random walk. Three more roundings follow, and that to T.
      const double bound = std::fabs(want) * (unit + (4 + std::sqrt(cols)) * 0x1p-24) + 0x1p-26;
      const float got = all[size_t(r) * cols + c];
      if (std::fabs(got - want) > bound)
        return check(false, "rms_norm %d columns: [%d, %d] = %.9g, want %.9g +- %.2g", cols, r, c, got, want, bound);
    }
    for (const int shift : {0, 4}) {
      run_threads_backwards(true);
      const Floats alone = norm_rows<T>(device, row, w, cols, shift);
      run_threads_backwards(false);
      check(same_bits(alone.data(), &all[size_t(r) * cols], cols),
            "rms_norm %d columns: row %d alone, shift %d differs", cols, r, shift);
    }
  }
}

// ---- the head ----

// The partials that the head's matrix product makes of logits [rows, vocab].
std::vector<HeadPartial> partials_of(const Floats& logits, int vocab) {
  std::vector<HeadPartial> partials;
  for (size_t row = 0; row < logits.size(); row += vocab)
    for (int first = 0; first < vocab; first += kHeadColumns) {
      HeadPartial p = {-INFINITY, 0, 0};
      const int end = std::min(first + kHeadColumns, vocab);
      for (int i = first; i < end; i++)
        if (logits[row + i] > p.largest) p = {logits[row + i], 0, i};
      for (int i = first; i < end; i++) p.sum += std::exp(logits[row + i] - p.largest);
      partials.push_back(p);
    }
  return partials;
}

struct HeadRun {
  Floats log_probs, log_sums, best, top_log_probs;
  Ids argmax, top_ids;
};

HeadRun run_head(Device& device, const Floats& logits, const Ids& targets, int vocab, int k) {
  const int rows = static_cast<int>(targets.size());
  Floats target_logits;
  for (int r = 0; r < rows; r++) target_logits.push_back(logits[size_t(r) * vocab + targets[r]]);
  const Placed<float> log_probs(device, rows), log_sums(device, rows), best(device, rows);
  const Placed<int32_t> argmax(device, rows), top_ids(device, size_t(rows) * k);
  const Placed<float> top_log_probs(device, size_t(rows) * k);
  head_finish(device, Placed<HeadPartial>(device, partials_of(logits, vocab)).data(),
              Placed<float>(device, target_logits).data(), rows, head_partials_per_row(vocab),
              {log_probs.data(), log_sums.data(), best.data(), argmax.data()});
  head_top_k(device, Placed<float>(device, logits).data(), log_sums.data(), rows, vocab, k, top_ids.data(),
             top_log_probs.data());
  return {log_probs.read(), log_sums.read(), best.read(), top_log_probs.read(), argmax.read(), top_ids.read()};
}

// Logits are multiples of 1 / steps, so that there are ties.
void test_head(Device& device, int vocab, float steps, int k) {
  constexpr int kRows = 3;
  Floats logits = random(size_t(kRows) * vocab, vocab, 1);
  for (float& f : logits) f = std::round(f * steps) / steps * 20;
  Ids targets;
  for (int r = 0; r < kRows; r++) targets.push_back((r * 131 + 7) % vocab);
  targets[2] =
      static_cast<int32_t>(std::max_element(logits.begin() + 2 * vocab, logits.end()) - (logits.begin() + 2 * vocab));
  const HeadRun all = run_head(device, logits, targets, vocab, k);
  for (int r = 0; r < kRows; r++) {
    const Floats row(logits.begin() + size_t(r) * vocab, logits.begin() + size_t(r + 1) * vocab);
    double total = 0;
    for (const float f : row) total += std::exp(double{f});
    const double log_sum = std::log(total), want = row[targets[r]] - log_sum;
    check(std::fabs(all.log_probs[r] - want) <= 16 * 0x1p-24 * (std::fabs(want) + 20),
          "head_finish vocab %d: row %d has %.9g, want %.9g", vocab, r, all.log_probs[r], want);
    Ids order(vocab);
    for (int i = 0; i < vocab; i++) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    CHECK_EQ(all.argmax[r], order[0]);
    CHECK_EQ(all.best[r], row[order[0]]);
    for (int j = 0; j < k; j++) {
      CHECK_EQ(all.top_ids[r * k + j], order[j]);
      CHECK_EQ(all.top_log_probs[r * k + j], row[order[j]] - all.log_sums[r]);
    }
    run_threads_backwards(true);
    const HeadRun alone = run_head(device, row, {targets[r]}, vocab, k);
    run_threads_backwards(false);
    check(same_bits(&alone.log_probs[0], &all.log_probs[r], 1) && same_bits(&alone.log_sums[0], &all.log_sums[r], 1),
          "head_finish vocab %d: row %d alone differs", vocab, r);
  }
  // The log-probability of the argmax is the same as a target and as the best of the top k.
  CHECK_EQ(all.log_probs[2], all.top_log_probs[2 * k]);
}

// The k best of several rows at once. Of wrong ones the first is shown.
void test_top_k(Device& device, int vocab, int k) {
  constexpr float kLogSum = 0.25f;
  const std::vector<LogitRow> rows = logit_rows(vocab);
  Floats logits;
  for (const LogitRow& row : rows) logits.insert(logits.end(), row.logits.begin(), row.logits.end());
  const Placed<int32_t> ids(device, rows.size() * k);
  const Placed<float> log_probs(device, rows.size() * k);
  head_top_k(device, Placed<float>(device, logits).data(), Placed<float>(device, Floats(rows.size(), kLogSum)).data(),
             static_cast<int>(rows.size()), vocab, k, ids.data(), log_probs.data());
  const Ids got = ids.read();
  const Floats got_log_probs = log_probs.read();
  for (size_t r = 0; r < rows.size(); r++) {
    const Floats& row = rows[r].logits;
    Ids order;
    for (int i = 0; i < vocab; i++)
      if (!std::isnan(row[i])) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    int wrong = 0;
    for (int j = 0; j < k; j++) {
      const bool is_number = j < static_cast<int>(order.size());
      const int32_t id = is_number ? order[j] : 0;
      const float log_prob = (is_number ? row[id] : -INFINITY) - kLogSum;
      if (got[r * k + j] == id && same_bits(&got_log_probs[r * k + j], &log_prob, 1)) continue;
      if (wrong++ == 0)
        check(false, "head_top_k %s, vocab %d: %d of %d is %d %.9g, want %d %.9g", rows[r].name, vocab, j, k,
              got[r * k + j], got_log_probs[r * k + j], id, log_prob);
    }
    check(wrong == 0, "head_top_k %s, vocab %d: %d of %d wrong", rows[r].name, vocab, wrong, k);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  Device device(0);
  for (const int cols : {1, 3, 17, 40, 64, 129, 520, 1032})
    for (const int shift : {0, 4}) {
      test_embed<float>(device, cols, shift);
      test_embed<bf16>(device, cols, shift);
      test_embed<f16>(device, cols, shift);
      test_copies(device, cols, shift);
    }
  for (const int cols : {1, 17, 40, 128, 1023, 1024, 1028, 5000}) {
    test_rms_norm<float>(device, cols);
    test_rms_norm<bf16>(device, cols);
    test_rms_norm<f16>(device, cols);
  }
  for (const int vocab : {5, 32, 333, 1025, 20000})
    for (const float steps : {3.0f, 1e6f}) test_head(device, vocab, steps, std::min(vocab, 5));
  test_head(device, 40, 2, 40);
  for (const int vocab : {1, 31, 32, 1000, 49152, 128256}) {
    if (reduced() && vocab > 1000) continue;
    const bool few = kFibers && vocab > 1000;
    for (const int k : few ? Ids{1, 2, 50} : Ids{1, 2, 31, 32, 33, 50, vocab}) {
      if (k > vocab) continue;
      run_threads_backwards(k % 2 == 0);
      test_top_k(device, vocab, k);
    }
  }
  run_threads_backwards(false);
  return finish("cuda_rows_test");
}
