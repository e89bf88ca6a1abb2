// Builds the flat tree of struct Pack token by token.
#include "pack_building.h"

#include "../../native/model/score.h"

namespace mt::test {

void PackBuilding::add_tree(const Request& request) {
  const int32_t start = static_cast<int32_t>(ids.size());
  const int32_t prefix = static_cast<int32_t>(request.prompt.size());
  for (int32_t i = 0; i < prefix; i++) add(request.prompt[i], i, start);
  for (const std::vector<int32_t>& continuation : request.continuations) {
    add_branch(continuation, start + prefix - 1, prefix);
  }
  trees.push_back({start, static_cast<int32_t>(ids.size()), prefix});
}

void PackBuilding::add_plain(const Request& request) {
  for (const std::vector<int32_t>& continuation : request.continuations) add_tree({request.prompt, {continuation}});
}

void PackBuilding::add_unsplit(const Request& request, const std::vector<int32_t>& continuation) {
  const int32_t start = static_cast<int32_t>(ids.size());
  std::vector<int32_t> all = request.prompt;
  all.insert(all.end(), continuation.begin(), continuation.end());
  for (size_t i = 0; i + 1 < all.size(); i++) {
    if (i + 1 >= request.prompt.size()) {
      rows.push_back(static_cast<int32_t>(ids.size()));
      targets.push_back(all[i + 1]);
    }
    add(all[i], static_cast<int32_t>(i), start);
  }
  trees.push_back({start, static_cast<int32_t>(ids.size()), 0});
}

Scores PackBuilding::score(Llama& model) const {
  Scores scores = {std::vector<float>(rows.size()), std::vector<int32_t>(rows.size())};
  const ScoreRequest request = {{ids, pos, branch_start, trees}, rows, targets, 0};
  check_request(request, model.config());
  mt::score(model, request, {scores.log_prob, scores.argmax, {}, {}}, Control());
  return scores;
}

void PackBuilding::add(int32_t id, int32_t position, int32_t begin) {
  ids.push_back(id);
  pos.push_back(position);
  branch_start.push_back(begin);
}

void PackBuilding::add_branch(const std::vector<int32_t>& continuation, int32_t predictor, int32_t position) {
  const int32_t begin = static_cast<int32_t>(ids.size());
  for (size_t i = 0; i < continuation.size(); i++) {
    rows.push_back(predictor);
    targets.push_back(continuation[i]);
    if (i + 1 == continuation.size()) return;
    predictor = static_cast<int32_t>(ids.size());
    add(continuation[i], position + static_cast<int32_t>(i), begin);
  }
}

}  // namespace mt::test
