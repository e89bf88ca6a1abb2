// Scores and samples in packs, trees and sessions of many forms, and compares bits.
#include "model_bitwise.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "../../native/model/score.h"
#include "check.h"
#include "pack_building.h"
#include "sanitizer.h"
#include "session_of.h"
#include "tiny_model.h"

namespace mt::test {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<Request> random_requests(const std::vector<size_t>& prompts) {
  std::mt19937 random(7);
  std::vector<Request> requests;
  for (const size_t prompt : prompts) {
    Request request = {random_ids(random, prompt, 77), {}};
    const size_t continuations = 1 + random() % 4;
    for (size_t c = 0; c < continuations; c++) {
      request.continuations.push_back(random_ids(random, 1 + random() % 20, 77));
    }
    requests.push_back(request);
  }
  return requests;
}

std::vector<std::vector<float>> score_alone(Llama& model, const std::vector<Request>& requests) {
  std::vector<std::vector<float>> scores;
  for (const Request& request : requests) {
    std::vector<float> all;
    for (const std::vector<int32_t>& continuation : request.continuations) {
      PackBuilding one;
      one.add_unsplit(request, continuation);
      const std::vector<float> score = one.score(model).log_prob;
      all.insert(all.end(), score.begin(), score.end());
    }
    scores.push_back(all);
  }
  return scores;
}

void trees_and_packs_change_nothing(Llama& model, const std::vector<Request>& requests,
                                    const std::vector<std::vector<float>>& alone) {
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(3);
  for (int round = 0; round < (kSanitized ? 1 : 3); round++) {
    PackBuilding trees, plain;
    std::vector<float> want;
    for (const size_t i : order) {
      PackBuilding tree;
      tree.add_tree(requests[i]);
      CHECK(same_bits(tree.score(model).log_prob, alone[i]));
      trees.add_tree(requests[i]);
      plain.add_plain(requests[i]);
      want.insert(want.end(), alone[i].begin(), alone[i].end());
    }
    CHECK(same_bits(trees.score(model).log_prob, want));
    CHECK(same_bits(plain.score(model).log_prob, want));
    std::shuffle(order.begin(), order.end(), random);
  }
}

namespace {

// Computes the log-probability of the greedy token after each prefix of the sequence, by plain logits.
std::vector<float> greedy_log_probs(Llama& model, const std::vector<int32_t>& ids) {
  std::vector<int32_t> pos(ids.size()), branch_start(ids.size(), 0), argmax(ids.size()), top(ids.size());
  std::iota(pos.begin(), pos.end(), 0);
  std::vector<float> log_prob(ids.size()), top_log_prob(ids.size());
  const Tree tree = {0, static_cast<int32_t>(ids.size())};
  mt::score(model, {{ids, pos, branch_start, {&tree, 1}}, pos, ids, 1}, {log_prob, argmax, top, top_log_prob},
            Control());
  return top_log_prob;
}

}  // namespace

void sessions_equal_one_pass(const std::shared_ptr<Llama>& model, size_t longer, size_t shorter) {
  std::mt19937 random(11);
  const std::vector<std::vector<int32_t>> sequences = {random_ids(random, longer, 77), random_ids(random, shorter, 77)};
  const std::vector<std::vector<float>> want = {greedy_log_probs(*model, sequences[0]),
                                                greedy_log_probs(*model, sequences[1])};
  for (const unsigned max_tokens : {1000u, 64u, 17u}) {
    const int32_t rows = static_cast<int32_t>(longer + shorter);
    Session session = session_of(model, rows);
    std::vector<size_t> fed(2, 0);
    // the shorter one lies in front or behind
    const int32_t first[2] = {max_tokens == 64 ? static_cast<int32_t>(shorter) : 0,
                              max_tokens == 64 ? 0 : static_cast<int32_t>(longer)};
    while (fed[0] < longer || fed[1] < shorter) {
      std::vector<SessionSequence> placed;
      std::vector<int32_t> which, offsets = {0}, ids;
      for (int32_t s = 0; s < 2; s++) {
        const size_t left = sequences[s].size() - fed[s];
        if (left == 0 || (random() % 3 == 0 && fed[1 - s] < sequences[1 - s].size())) continue;
        const size_t count = std::min<size_t>(left, 1 + random() % max_tokens);
        which.push_back(s);
        placed.push_back({.first_row = first[s], .length = static_cast<int32_t>(fed[s])});
        ids.insert(ids.end(), sequences[s].begin() + fed[s], sequences[s].begin() + fed[s] + count);
        offsets.push_back(static_cast<int32_t>(ids.size()));
        fed[s] += count;
      }
      if (which.empty()) continue;
      std::vector<int32_t> next(which.size());
      std::vector<float> log_probs(which.size());
      session.step({placed, offsets, ids}, {next, log_probs}, Control());
      for (size_t i = 0; i < which.size(); i++) CHECK_EQ(log_probs[i], want[which[i]][fed[which[i]] - 1]);
    }
  }
}

namespace {

const Sampling kGreedy = {};
const Sampling kWarm = {.temperature = 0.9f, .top_k = 40, .top_p = 0.95f, .seed = 5};
const Sampling kHot = {.temperature = 3, .min_p = 0.01f, .seed = 6};

struct Text {
  std::vector<int32_t> prompt;
  int32_t stream;
  Sampling sampling;
  std::vector<Adjustment> adjustments = {};
  int32_t top_k = 0;
  std::vector<uint32_t> mask = {};
};

// The tokens that follow texts[wanted], and the bits of their log-probabilities; then the same of the alternatives of
// each step.
std::vector<int32_t> generate(const std::shared_ptr<Llama>& model, const std::vector<Text>& texts, size_t wanted) {
  const int32_t each = 30;
  Session session = session_of(model, each * static_cast<int32_t>(texts.size()));
  std::vector<std::vector<int32_t>> feed;
  std::vector<SessionSequence> sequences;
  int32_t tops_before = 0, all_tops = 0;
  for (const auto& [prompt, stream, sampling, adjustments, top_k, mask] : texts) {
    const int32_t first_row = each * static_cast<int32_t>(feed.size());
    sequences.push_back({.first_row = first_row,
                         .stream = stream,
                         .sampling = sampling,
                         .adjustments = adjustments,
                         .mask = mask,
                         .top_k = top_k});
    if (sequences.size() <= wanted) tops_before += top_k;
    all_tops += top_k;
    feed.push_back(prompt);
  }
  std::vector<int32_t> result;
  for (int t = 0; t < (kSanitized ? 6 : 20); t++) {
    std::vector<int32_t> offsets = {0}, ids, next(texts.size());
    std::vector<float> log_probs(texts.size()), top_log_probs(all_tops);
    std::vector<int32_t> top_ids(all_tops);
    for (const std::vector<int32_t>& tokens : feed) {
      ids.insert(ids.end(), tokens.begin(), tokens.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
    session.step({sequences, offsets, ids}, {next, log_probs, top_ids, top_log_probs}, Control());
    for (size_t s = 0; s < texts.size(); s++) {
      sequences[s].length += static_cast<int32_t>(feed[s].size());
      feed[s] = {next[s]};
    }
    result.push_back(next[wanted]);
    result.push_back(std::bit_cast<int32_t>(log_probs[wanted]));
    for (int32_t i = tops_before; i < tops_before + texts[wanted].top_k; i++) {
      result.push_back(top_ids[i]);
      result.push_back(std::bit_cast<int32_t>(top_log_probs[i]));
    }
  }
  return result;
}

}  // namespace

void a_sequence_ignores_its_batch(const std::shared_ptr<Llama>& model) {
  const std::vector<int32_t> a = {1, 2, 3}, b = {9, 8, 7, 6, 5, 4};
  for (const Sampling& sampling : {kGreedy, kWarm, kHot}) {
    const std::vector<int32_t> alone = generate(model, {{a, 42, sampling}}, 0);
    CHECK(alone == generate(model, {{b, 1, sampling}, {a, 42, sampling}, {b, 2, sampling}}, 1));
    CHECK(alone ==
          generate(model, {{b, 1, kHot}, {b, 2, kGreedy}, {a, 42, sampling}, {b, 3, kWarm}, {a, 42, kGreedy}}, 2));
  }
  const std::vector<Adjustment> some = {{1, 1.5f, 0}, {4, 0.8f, 2}, {7, 1, -HUGE_VALF}, {9, 1.2f, -1}};
  const std::vector<Adjustment> others = {{0, 1, 3}, {5, 2, -HUGE_VALF}};
  for (const Sampling& sampling : {kGreedy, kWarm, kHot}) {
    const std::vector<int32_t> alone = generate(model, {{a, 42, sampling, some}}, 0);
    CHECK(alone == generate(model, {{b, 1, kHot, others}, {b, 2, kGreedy}, {a, 42, sampling, some}, {b, 3, kWarm}}, 2));
    CHECK(generate(model, {{a, 42, sampling}}, 0) ==
          generate(model, {{a, 42, sampling}, {a, 42, sampling, some}, {b, 1, kGreedy, others}}, 0));
    CHECK_EQ(generate(model, {{a, 42, sampling, {{4, 1, 100}}}}, 0)[0], 4);
    CHECK(generate(model, {{a, 42, sampling, {{4, 1, -HUGE_VALF}}}}, 0)[0] != 4);
  }
  const std::vector<uint32_t> even(mask_words(model->config().vocab_size), 0x55555555u), last = [&] {
    std::vector<uint32_t> mask(even.size());
    const int id = model->config().vocab_size - 1;
    mask[id / 32] = uint32_t{1} << id % 32;
    return mask;
  }();
  for (const Sampling& sampling : {kGreedy, kWarm, kHot}) {
    const std::vector<int32_t> alone = generate(model, {{a, 42, sampling, some, 0, even}}, 0);
    CHECK(alone[0] % 2 == 0);
    const std::vector<Text> beside = {{b, 1, kHot, others, 2, last},
                                      {b, 2, kGreedy},
                                      {a, 42, sampling, some, 0, even},
                                      {b, 3, kGreedy, {}, 0, even},
                                      {b, 4, kWarm}};
    CHECK(alone == generate(model, beside, 2));
    CHECK(generate(model, {{b, 2, kGreedy}}, 0) == generate(model, beside, 1));
    CHECK_EQ(generate(model, beside, 0)[0], model->config().vocab_size - 1);
  }
  for (const Sampling& sampling : {kGreedy, kWarm}) {
    const std::vector<int32_t> alone = generate(model, {{a, 42, sampling, some, 3}}, 0);
    const std::vector<Text> beside = {{b, 1, kHot, {}, 9},   {b, 2, kGreedy, {}, 5}, {a, 42, sampling, some, 3},
                                      {b, 3, kWarm, others}, {b, 4, kGreedy},        {a, 5, kGreedy, {}, 1}};
    CHECK(alone == generate(model, beside, 2));
    CHECK(generate(model, {{b, 2, kGreedy, {}, 5}}, 0) == generate(model, beside, 1));
    CHECK(generate(model, {{b, 4, kGreedy}}, 0) == generate(model, beside, 4));
    CHECK(generate(model, {{a, 5, kGreedy, {}, 1}}, 0) == generate(model, beside, 5));
  }
  CHECK(generate(model, {{a, 42, kWarm}}, 0) != generate(model, {{a, 43, kWarm}}, 0));
  CHECK(generate(model, {{a, 42, kWarm}}, 0) != generate(model, {{a, 42, kHot}}, 0));
}

void rows_of_an_ended_sequence_are_free(const std::shared_ptr<Llama>& model) {
  const std::vector<int32_t> a = {1, 2, 3, 4, 5, 6, 7}, b = {9, 8, 7, 6};
  const auto last = [&](Session& session, const std::vector<int32_t>& ids, int32_t first_row) {
    const SessionSequence sequence = {.first_row = first_row};
    const std::vector<int32_t> offsets = {0, static_cast<int32_t>(ids.size())};
    int32_t next;
    float log_prob;
    session.step({{&sequence, 1}, offsets, ids}, {{&next, 1}, {&log_prob, 1}}, Control());
    return log_prob;
  };
  Session fresh = session_of(model, 4), used = session_of(model, 8);
  const float want = last(fresh, b, 0);
  last(used, a, 0);
  CHECK_EQ(last(used, b, 0), want);
  CHECK_EQ(last(used, b, 3), want);
}

void rows_that_are_copied_keep_their_tokens(const std::shared_ptr<Llama>& model) {
  const std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6};
  const auto give = [&](Session& session, int32_t first_row, int32_t length, int32_t count) {
    const SessionSequence sequence = {.first_row = first_row, .length = length};
    const std::vector<int32_t> offsets = {0, count};
    int32_t next;
    float log_prob;
    const std::span<const int32_t> some = std::span(ids).subspan(length, count);
    session.step({{&sequence, 1}, offsets, some}, {{&next, 1}, {&log_prob, 1}}, Control());
    return log_prob;
  };
  Session whole = session_of(model, 9), moved = session_of(model, 6);
  const float want = give(whole, 1, 0, 8);
  give(moved, 1, 0, 5);
  const std::vector<RowCopy> some = {{1, 7, 3}, {4, 10, 2}};
  moved.resize(100, some);
  give(moved, 7, 5, 1);
  moved.copy({7, 20, 6});
  CHECK_EQ(give(moved, 7, 6, 2), want);
  CHECK_EQ(give(moved, 20, 6, 2), want);
  const auto code = [&](const RowCopy& copy) { return error_of([&] { moved.copy(copy); }); };
  for (const RowCopy& copy : std::vector<RowCopy>{
           {-1, 10, 2}, {0, 99, 2}, {0, -1, 2}, {99, 0, 2}, {0, 10, 0}, {0, 10, -1}, {0, 1, 2}, {INT32_MAX, 0, 1}})
    CHECK_EQ(code(copy), "INVALID_ARGUMENT");
  CHECK_EQ(error_of([&] { moved.resize(3, some); }), "INVALID_ARGUMENT");
  CHECK_EQ(error_of([&] { moved.resize(-1, {}); }), "INVALID_ARGUMENT");
  CHECK_EQ(give(moved, 20, 6, 2), want);
  moved.resize(0, {});
  CHECK_EQ(error_of([&] { give(moved, 0, 0, 1); }), "INVALID_ARGUMENT");
}

}  // namespace mt::test
