// The language-model head on the CPU.
#include "head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "best.h"

namespace mt::cpu {
namespace {

constexpr int kRange = 1024;
constexpr size_t kScratchBytes = size_t{64} << 20;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Copies the logits of a finished tile to their rows of [rows, vocab].
void store_logits(const CpuKernels& kernels, const ProductTile& tile, const CpuMatrix& w, float* logits) {
  const int first = tile.panel * w.shape.panel;
  kernels.copy_tile(tile.c, tile.ldc, tile.rows, std::min(w.shape.panel, w.rows - first),
                    logits + size_t(tile.row) * w.rows + first, w.rows);
}

HeadPartial combine(HeadPartial all, const HeadPartial& next) {
  const float max = std::max(all.max, next.max);
  all.sum = all.sum * std::exp(all.max - max) + next.sum * std::exp(next.max - max);
  if (next.max > all.max) all.argmax = next.argmax;
  all.max = max;
  return all;
}

}  // namespace

Head::Head(const CpuKernels& kernels, ThreadPool& pool, Gemm& gemm) : kernels_(kernels), pool_(pool), gemm_(gemm) {}

template <class Body>
void Head::for_parts(View h, size_t bytes_per_row, const Body& body) {
  if (h.rows == 0) return;
  const size_t rows = h.rows, at_once = std::max<size_t>(1, kScratchBytes / bytes_per_row);
  const size_t parts = (rows + at_once - 1) / at_once;
  // The sizes of the parts differ by at most one row: a small last part would read all weights for few rows.
  for (size_t part = 0; part < parts; part++) {
    const int first = static_cast<int>(rows * part / parts), end = static_cast<int>(rows * (part + 1) / parts);
    body(first, h.part(first, end - first));
  }
}

void Head::score(View h, const CpuMatrix& w, std::span<const int32_t> targets, int top_k, HeadResult result,
                 const Control& control) {
  const size_t ranges = (w.rows + kRange - 1) / kRange;
  // For the single best token the argmax is enough, which needs no logits in memory.
  const size_t logits = top_k > 1 ? size_t(w.rows) * sizeof(float) : 0;
  for_parts(h, ranges * sizeof(HeadPartial) + sizeof(float) + logits, [&](int first, View rows) {
    const size_t top = size_t(first) * top_k, count = rows.rows;
    score_part(rows, w, targets.data() + first, top_k,
               {.log_prob = result.log_prob.subspan(first, count),
                .argmax = result.argmax.subspan(first, count),
                .top_ids = top_k > 0 ? result.top_ids.subspan(top, count * top_k) : result.top_ids,
                .top_log_prob = top_k > 0 ? result.top_log_prob.subspan(top, count * top_k) : result.top_log_prob},
               control);
  });
}

void Head::score_part(View h, const CpuMatrix& w, const int32_t* targets, int top_k, HeadResult result,
                      const Control& control) {
  const int panel = w.shape.panel, ranges = (w.rows + kRange - 1) / kRange;
  const size_t vocab = w.rows, rows = h.rows, k = top_k, room = best_tokens_room(vocab, k);
  partials_.reserve_zeroed(ranges * rows * sizeof(HeadPartial));
  targets_.reserve_zeroed(rows * sizeof(float));
  if (top_k > 1) {
    logits_.reserve_zeroed(rows * vocab * sizeof(float));
    lists_.reserve_zeroed(pool_.threads() * room * sizeof(ScoredToken));
  }
  auto* partials = partials_.as<HeadPartial>();
  auto *target_logits = targets_.as<float>(), *logits = logits_.as<float>();
  std::fill_n(partials, ranges * rows, HeadPartial{kLowest, 0, 0});

  gemm_.multiply(h, w, kRange / panel, [&](const ProductTile& tile) {
    control.poll();
    const int first = tile.panel * panel, cols = std::min(panel, w.rows - first);
    kernels_.head_tile(tile.c, tile.ldc, tile.rows, cols, first, &partials[first / kRange * rows + tile.row]);
    for (int r = 0; r < tile.rows; r++) {
      const int target = targets[tile.row + r] - first;
      if (target >= 0 && target < cols) target_logits[tile.row + r] = tile.c[r * tile.ldc + target];
    }
    if (top_k > 1) store_logits(kernels_, tile, w, logits);
  });

  pool_.parallel_for(h.rows, [&](int r, int worker) {
    control.poll();
    HeadPartial all = partials[r];
    for (int i = 1; i < ranges; i++) all = combine(all, partials[i * rows + r]);
    const double log_sum = double{all.max} + std::log(double{all.sum});
    result.log_prob[r] = static_cast<float>(target_logits[r] - log_sum);
    result.argmax[r] = all.argmax;
    if (top_k == 0) return;
    const auto ids = result.top_ids.subspan(r * k, k);
    const auto log_probs = result.top_log_prob.subspan(r * k, k);
    const ScoredToken argmax = {all.max, all.argmax};
    std::span<const ScoredToken> best = {&argmax, 1};
    if (top_k > 1) best = best_tokens({logits + r * vocab, vocab}, k, {lists_.as<ScoredToken>() + worker * room, room});
    for (size_t j = 0; j < k; j++) {
      const ScoredToken token = j < best.size() ? best[j] : ScoredToken{kLowest, 0};
      ids[j] = token.id;
      log_probs[j] = static_cast<float>(token.logit - log_sum);
    }
  });
}

void Head::sample(View h, const CpuMatrix& w, std::span<const Draw> draws, const LogitChanges& changes,
                  std::span<int32_t> ids, std::span<float> log_prob, const Control& control) {
  const size_t vocab = w.rows;
  for_parts(h, vocab * sizeof(float), [&](int first, View rows) {
    logits_.reserve_zeroed(rows.rows * vocab * sizeof(float));
    lists_.reserve_zeroed(pool_.threads() * vocab * sizeof(TokenWeight));
    logits(rows, w, logits_.as<float>(), control);
    pool_.parallel_for(rows.rows, [&](int r, int worker) {
      control.poll();
      const Choice choice = choose_token({logits_.as<float>() + r * vocab, vocab}, draws[first + r], changes,
                                         {lists_.as<TokenWeight>() + worker * vocab, vocab});
      ids[first + r] = choice.id;
      log_prob[first + r] = choice.log_prob;
    });
  });
}

void Head::logits(View h, const CpuMatrix& w, float* logits, const Control& control) {
  gemm_.multiply(h, w, 0, [&](const ProductTile& tile) {
    control.poll();
    store_logits(kernels_, tile, w, logits);
  });
}

}  // namespace mt::cpu
