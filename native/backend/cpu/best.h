// The best tokens of a row of logits.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mt::cpu {

struct ScoredToken {
  float logit;
  int32_t id;
};

// Of two the better has the larger logit; of equal logits the one with the lower id.
inline bool is_better(const ScoredToken& a, const ScoredToken& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// How many tokens best_tokens() needs memory for.
inline size_t best_tokens_room(size_t vocab, size_t k) { return std::min(vocab, std::max<size_t>(2 * k, 64)); }

// The k best tokens of a row, best first, in `room` for best_tokens_room(); fewer where fewer logits are numbers. The
// time grows with vocab + k log k: a token that is no better than k others is not kept, and once the room is full, only
// the k best in it stay.
inline std::span<ScoredToken> best_tokens(std::span<const float> logits, size_t k, std::span<ScoredToken> room) {
  const auto kth = room.begin() + static_cast<ptrdiff_t>(std::min(k, room.size())) - 1;
  size_t count = 0;
  const auto keep_k = [&] {
    const auto end = room.begin() + static_cast<ptrdiff_t>(count);
    if (count > k) std::nth_element(room.begin(), kth, end, is_better);
    count = std::min(count, k);
  };
  bool has_k = false;  // then `room` holds k tokens of which kth is the worst, and maybe some that are better than it
  for (size_t id = 0; id < logits.size(); id++) {
    const float logit = logits[id];
    // A later token with the logit of the kth is worse than that.
    if (has_k ? !(logit > kth->logit) : logit != logit) continue;
    room[count++] = {logit, static_cast<int32_t>(id)};
    if (count < room.size()) continue;
    keep_k();
    has_k = true;
  }
  keep_k();
  std::sort(room.begin(), room.begin() + static_cast<ptrdiff_t>(count), is_better);
  return room.first(count);
}

}  // namespace mt::cpu
