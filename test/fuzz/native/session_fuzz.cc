// Steps of a session that are sound, scores of packs after what it holds, and such with numbers and lengths changed:
// they are refused with a message, or run.
#include <cmath>

#include "../../../native/model/session.h"
#include "packs.h"

namespace mt::fuzz {
namespace {

// Each sequence has so many rows of the cache for itself.
constexpr int kRows = 8;
constexpr int kSequences = 4;

struct Step {
  std::vector<SessionSequence> sequences;
  std::vector<Adjustment> adjustments;  // of each sequence that has any
  std::vector<uint32_t> mask;           // of each sequence that has one
  std::vector<int32_t> offsets = {0}, ids;
};

// Gives one to three tokens to some of the sequences, which hold `lengths` tokens.
Step sound_step(Input& input, std::span<int32_t> lengths, const Sampling& sampling, int vocab_size) {
  Step step;
  const uint8_t chosen = input.byte();
  for (int s = 0; s < kSequences; s++) {
    const int count = std::min(input.within(1, 3), kRows - lengths[s]);
    if ((chosen >> s & 1) == 0 || count == 0) continue;
    step.sequences.push_back({.first_row = s * kRows,
                              .length = lengths[s],
                              .stream = s,
                              .sampling = s % 2 == 0 ? sampling : Sampling(),
                              .top_k = s});
    for (int i = 0; i < count; i++) step.ids.push_back(input.within(0, vocab_size - 1));
    step.offsets.push_back(static_cast<int32_t>(step.ids.size()));
    lengths[s] += count;
  }
  return step;
}

void change_sequence(SessionSequence& sequence, Input& input) {
  int32_t* const fields[] = {&sequence.first_row, &sequence.length, &sequence.stream, &sequence.top_k};
  *fields[input.within(0, 3)] = input.odd_number();
}

void change_adjustment(Adjustment& adjustment, Input& input) {
  const int which = input.within(0, 2);
  if (which == 0) adjustment.id = input.odd_number();
  if (which == 1) adjustment.penalty = input.real();
  if (which == 2) adjustment.addend = input.real();
}

void change_word(uint32_t& word, Input& input) { word = input.word(); }

void spoil_any(Step& step, Input& input) {
  const int which = input.within(0, 4);
  if (which == 0) spoil(step.sequences, input, change_sequence);
  if (which == 1) spoil(step.offsets, input, change_number);
  if (which == 2) spoil(step.ids, input, change_number);
  if (which == 3) spoil(step.adjustments, input, change_adjustment);
  if (which == 4) spoil(step.mask, input, change_word);
}

// Scores a pack whose first tree comes after the `length` tokens in the session's rows from `row` on.
void score_after(Session& session, Input& input, int32_t row, int32_t length, bool spoils) {
  PackArrays a = sound_arrays(input, session.config());
  Tree& tree = a.trees[0];
  tree.segment_row = row;
  tree.segment_len = length;
  for (int32_t i = tree.start; i < tree.end; i++) a.pos[i] += length;
  if (spoils) {
    int32_t* const fields[] = {&tree.segment_row, &tree.segment_len, &a.pos[0]};
    *fields[input.within(0, 2)] = input.odd_number();
  }
  const size_t n = a.rows.size();
  std::vector<float> log_probs(n);
  std::vector<int32_t> argmax(n);
  const ScoreRequest request = {{a.ids, a.pos, a.branch_start, a.trees}, a.rows, a.targets, 0};
  const auto codes = {ErrorCode::INVALID_ARGUMENT, ErrorCode::CONTEXT_LENGTH};
  const bool ran = accepts(codes, [&] { session.score(request, {log_probs, argmax, {}, {}}, Control()); });
  if (spoils) return;  // it may have read rows that no step has written
  if (!ran) broken("a sound pack is refused");
  for (const float number : log_probs)
    if (!(number <= 0) || !std::isfinite(number)) broken("a log-probability of " + std::to_string(number));
}

}  // namespace
}  // namespace mt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mt;
  fuzz::Input input(data, size);
  const auto model = fuzz::tiny_model(input.byte() % 2);
  const int vocab_size = model->config().vocab_size;
  const Sampling sampling = {.temperature = static_cast<float>(input.within(0, 2)),
                             .top_k = input.within(0, 3),
                             .top_p = input.byte() % 2 == 0 ? 1.0f : 0.5f,
                             .min_p = input.byte() % 2 == 0 ? 0.0f : 0.3f,
                             .seed = input.byte()};
  const bool spoils = input.byte() % 2 == 1;
  int32_t rows = fuzz::kRows * fuzz::kSequences;
  if (spoils && input.byte() == 1) rows = std::min(input.odd_number(), 64);
  Session session(model);
  if (!fuzz::accepts({ErrorCode::INVALID_ARGUMENT}, [&] { session.resize(rows, {}); })) return 0;
  std::vector<int32_t> lengths(fuzz::kSequences);
  for (int steps = 0; steps < 8 && !input.empty(); steps++) {
    std::vector<int32_t> after = lengths;
    fuzz::Step step = fuzz::sound_step(input, after, sampling, vocab_size);
    const bool sound = !step.sequences.empty();
    step.adjustments = {{0, 1, -HUGE_VALF}, {vocab_size / 2, 1.5f, 0}, {vocab_size - 1, 1, 2}};
    step.mask.assign(mask_words(vocab_size), input.word() | 2);
    if (spoils) fuzz::spoil_any(step, input);
    for (size_t i = 0; i < step.sequences.size(); i += 2) step.sequences[i].adjustments = step.adjustments;
    for (size_t i = 1; i < step.sequences.size(); i += 2) step.sequences[i].mask = step.mask;
    const size_t n = step.sequences.size();
    std::vector<int32_t> ids(n, -1);
    std::vector<float> log_probs(n);
    size_t top_count = 0;  // of wrong numbers no more than memory has; those are refused
    for (const SessionSequence& sequence : step.sequences) top_count += std::clamp(sequence.top_k, 0, vocab_size);
    std::vector<int32_t> top_ids(top_count, -1);
    std::vector<float> top_log_probs(top_count);
    const auto run = [&] {
      session.step({step.sequences, step.offsets, step.ids}, {ids, log_probs, top_ids, top_log_probs}, Control());
    };
    const auto codes = {ErrorCode::INVALID_ARGUMENT, ErrorCode::CONTEXT_LENGTH, ErrorCode::TOKEN_OUT_OF_RANGE};
    if (!fuzz::accepts(codes, run)) {
      if (sound && !spoils) fuzz::broken("a sound step is refused");
      continue;
    }
    ids.insert(ids.end(), top_ids.begin(), top_ids.end());
    for (const int32_t id : ids)
      if (id < 0 || id >= vocab_size) fuzz::broken("the token " + std::to_string(id));
    if (spoils) continue;  // it may have read rows that no step has written
    for (const float number : log_probs)
      if (!(number <= 0) || !std::isfinite(number)) fuzz::broken("a log-probability of " + std::to_string(number));
    lengths = after;
    const int s = input.within(0, fuzz::kSequences - 1);
    if (input.byte() % 4 == 0) fuzz::score_after(session, input, s * fuzz::kRows, lengths[s], input.byte() % 2 == 1);
  }
  return 0;
}
