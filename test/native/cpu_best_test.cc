// The best tokens of a row are those of a whole sort, for every form of row, whatever their number.
#include <cstring>
#include <set>
#include <vector>

#include "backend/cpu/best.h"
#include "check.h"
#include "logit_rows.h"

namespace mt::test {
namespace {

using cpu::ScoredToken;

std::vector<ScoredToken> sorted(const std::vector<float>& logits) {
  std::vector<ScoredToken> all;
  for (size_t id = 0; id < logits.size(); id++)
    if (!std::isnan(logits[id])) all.push_back({logits[id], static_cast<int32_t>(id)});
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.logit > b.logit; });
  return all;
}

void test_row(const LogitRow& row, size_t k) {
  std::vector<ScoredToken> want = sorted(row.logits);
  want.resize(std::min(k, want.size()));
  const size_t room = cpu::best_tokens_room(row.logits.size(), k);
  std::vector<ScoredToken> memory(room);
  const std::span<ScoredToken> got = cpu::best_tokens(row.logits, k, memory);
  bool same = got.size() == want.size();
  for (size_t i = 0; same && i < want.size(); i++)
    same = got[i].id == want[i].id && std::memcmp(&got[i].logit, &want[i].logit, sizeof(float)) == 0;
  check(same, "%s, vocab %zu: the %zu best are others than a sort's", row.name, row.logits.size(), k);
  check(room <= std::max<size_t>(2 * k, 64), "room for %zu tokens, of which the %zu best are wanted", room, k);
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  for (const int vocab : {1, 2, 3, 33, 64, 65, 127, 1000, 5000})
    for (const LogitRow& row : logit_rows(vocab))
      for (const int k : std::set<int>{1, 2, 3, 31, 32, 33, 64, vocab / 2, vocab - 1, vocab})
        if (k >= 1 && k <= vocab) test_row(row, static_cast<size_t>(k));
  return finish("cpu_best_test");
}
