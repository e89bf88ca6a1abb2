// The language-model head on the CPU.
#include "head.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mt::cpu {
namespace {

constexpr int kRange = 1024;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

struct Candidate {
  float logit;
  int32_t id;
};

// The best `k` of a row, best first; of equals the one that came first. Ids come in ascending order.
void insert(Candidate* best, int k, Candidate c) {
  if (!(c.logit > best[k - 1].logit)) return;
  int i = k - 1;
  for (; i > 0 && c.logit > best[i - 1].logit; i--) best[i] = best[i - 1];
  best[i] = c;
}

}  // namespace

void head_score(const CpuKernels& kernels, Gemm& gemm, View h, const CpuMatrix& w, std::span<const int32_t> targets,
                int top_k, HeadResult result) {
  const int panel = w.shape.panel, ranges = (w.rows + kRange - 1) / kRange;
  std::vector<HeadPartial> partials(size_t(ranges) * h.rows, {kLowest, 0, 0});
  std::vector<Candidate> candidates(partials.size() * top_k, {kLowest, 0});
  std::vector<float> target_logits(h.rows);

  gemm.multiply(h, w, kRange / panel, [&](const ProductTile& tile) {
    const int first = tile.panel * panel, cols = std::min(panel, w.rows - first);
    const size_t at = size_t(first / kRange) * h.rows + tile.row;
    kernels.head_tile(tile.c, tile.ldc, tile.rows, cols, first, &partials[at]);
    for (int r = 0; r < tile.rows; r++) {
      const float* logits = tile.c + r * tile.ldc;
      const int target = targets[tile.row + r] - first;
      if (target >= 0 && target < cols) target_logits[tile.row + r] = logits[target];
      if (top_k > 0)
        for (int j = 0; j < cols; j++) insert(&candidates[(at + r) * top_k], top_k, {logits[j], first + j});
    }
  });

  for (int r = 0; r < h.rows; r++) {
    HeadPartial all = partials[r];
    for (int i = 1; i < ranges; i++) {
      const HeadPartial& p = partials[size_t(i) * h.rows + r];
      const float max = std::max(all.max, p.max);
      all.sum = all.sum * std::exp(all.max - max) + p.sum * std::exp(p.max - max);
      if (p.max > all.max) all.argmax = p.argmax;
      all.max = max;
    }
    const double log_sum = double{all.max} + std::log(double{all.sum});
    result.log_prob[r] = static_cast<float>(target_logits[r] - log_sum);
    result.argmax[r] = all.argmax;
    if (top_k == 0) continue;
    Candidate* best = &candidates[size_t(r) * top_k];
    for (int i = 1; i < ranges; i++)
      for (int j = 0; j < top_k; j++) insert(best, top_k, candidates[(size_t(i) * h.rows + r) * top_k + j]);
    for (int j = 0; j < top_k; j++) {
      result.top_ids[size_t(r) * top_k + j] = best[j].id;
      result.top_log_prob[size_t(r) * top_k + j] = static_cast<float>(best[j].logit - log_sum);
    }
  }
}

}  // namespace mt::cpu
