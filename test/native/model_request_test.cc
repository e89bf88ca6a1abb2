// Requests from outside are checked: each broken pack, row, target and step has its message, and random ones are either
// refused or run.
#include "../../native/model/embed.h"
#include "../../native/model/score.h"
#include "check.h"
#include "sanitizer.h"
#include "session_of.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

// A tree of a prefix of two and branches of two and one, then a plain sequence of two.
struct Arrays {
  std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6, 7};
  std::vector<int32_t> pos = {0, 1, 2, 3, 2, 0, 1};
  std::vector<int32_t> branch_start = {0, 0, 2, 2, 4, 5, 5};
  std::vector<Tree> trees = {{0, 5, 2}, {5, 7, 0}};
  std::vector<int32_t> rows = {1, 3, 6};
  std::vector<int32_t> targets = {3, 0, 76};
  int top_k = 2;

  ScoreRequest request() const { return {{ids, pos, branch_start, trees}, rows, targets, top_k}; }
};

struct Case {
  const char* code;
  const char* message;
  void (*spoil)(Arrays&);
};

const Case kCases[] = {
    {"", "", [](Arrays&) {}},
    {"INVALID_ARGUMENT", "a pack without tokens", [](Arrays& a) { a.ids.clear(); }},
    {"INVALID_ARGUMENT", "ids, positions and branchStart have 7, 6 and 7 elements",
     [](Arrays& a) { a.pos.pop_back(); }},
    {"TOKEN_OUT_OF_RANGE", "ids[3] is 77; the model's ids are 0 .. 76", [](Arrays& a) { a.ids[3] = 77; }},
    {"TOKEN_OUT_OF_RANGE", "ids[0] is -1;", [](Arrays& a) { a.ids[0] = -1; }},
    {"INVALID_ARGUMENT", "positions[4] is 4, expected 2", [](Arrays& a) { a.pos[4] = 4; }},
    {"INVALID_ARGUMENT", "branchStart[1] is 1, expected 0", [](Arrays& a) { a.branch_start[1] = 1; }},
    {"INVALID_ARGUMENT", "branchStart[2] is 0, expected 2", [](Arrays& a) { a.branch_start[2] = 0; }},
    {"INVALID_ARGUMENT", "branchStart[6] is 2147483647, expected 5", [](Arrays& a) { a.branch_start[6] = INT32_MAX; }},
    {"INVALID_ARGUMENT", "the trees end at 5, expected 7", [](Arrays& a) { a.trees.pop_back(); }},
    {"INVALID_ARGUMENT", "the trees end at 0, expected 7", [](Arrays& a) { a.trees.clear(); }},
    {"INVALID_ARGUMENT", "tree 1 starts at 4, expected 5", [](Arrays& a) { a.trees[1].start = 4; }},
    {"INVALID_ARGUMENT", "tree 1 ends at 8, expected 6 .. 7", [](Arrays& a) { a.trees[1].end = 8; }},
    {"INVALID_ARGUMENT", "tree 0 has a prefix of 6 tokens, expected 0 .. 5",
     [](Arrays& a) { a.trees[0].prefix_len = 6; }},
    {"INVALID_ARGUMENT", "tree 0 has a prefix of -1 tokens", [](Arrays& a) { a.trees[0].prefix_len = -1; }},
    {"INVALID_ARGUMENT", "tree 1 has a segment of 1 rows from row 0 on; the KV cache has 0",
     [](Arrays& a) { a.trees[1].segment_len = 1; }},
    {"INVALID_ARGUMENT", "rows[2] is 7, expected 0 .. 6", [](Arrays& a) { a.rows[2] = 7; }},
    {"INVALID_ARGUMENT", "rows and targets have 3 and 2 elements", [](Arrays& a) { a.targets.pop_back(); }},
    {"TOKEN_OUT_OF_RANGE", "targets[1] is -5;", [](Arrays& a) { a.targets[1] = -5; }},
    {"INVALID_ARGUMENT", "topK is 78, expected 0 .. 77", [](Arrays& a) { a.top_k = 78; }},
    {"CONTEXT_LENGTH", "positions[1500] is 1500; the model has 1500 positions",
     [](Arrays& a) {
       a.ids.assign(1501, 1);
       a.branch_start.assign(1501, 0);
       a.pos.resize(1501);
       for (int i = 0; i <= 1500; i++) a.pos[i] = i;
       a.trees = {{0, 1501, 0}};
     }},
};

void broken_requests_are_refused() {
  const LlamaConfig config = tiny_config();
  for (const Case& c : kCases) {
    Arrays arrays;
    c.spoil(arrays);
    std::string message;
    const std::string code = error_of([&] { check_request(arrays.request(), config); }, &message);
    check(code == c.code && message.find(c.message) == 0, "%s \"%s\", want %s \"%s...\"", code.c_str(), message.c_str(),
          c.code, c.message);
  }
}

void more_rows_than_an_int_counts_are_refused() {
  const Arrays arrays;
  ScoreRequest request = arrays.request();
  // Refused by its length alone: no element is read.
  request.rows = request.targets = {arrays.rows.data(), size_t{1} << 31};
  std::string message;
  CHECK_EQ(error_of([&] { check_request(request, tiny_config()); }, &message), "INVALID_ARGUMENT");
  CHECK(message.find("rows has 2147483648 elements") == 0);
}

void random_requests_are_refused_or_run(Llama& model) {
  std::mt19937 random(5);
  const int32_t wild[] = {-1, 0, 1, 2, 3, 5, 7, 76, 77, 1500, INT32_MAX, INT32_MIN};
  int ran = 0;
  constexpr int kRounds = kThreadSanitized ? 1'000 : kSanitized ? 4'000 : 20'000;
  for (int round = 0; round < kRounds; round++) {
    Arrays a;
    for (unsigned change = random() % 3; change > 0; change--) {
      const int32_t value = wild[random() % std::size(wild)];
      std::vector<int32_t>* const arrays[] = {&a.ids, &a.pos, &a.branch_start, &a.rows, &a.targets};
      std::vector<int32_t>& array = *arrays[random() % 5];
      Tree& tree = a.trees[random() % 2];
      int32_t* const fields[] = {&tree.start, &tree.end, &tree.prefix_len, &tree.segment_len, &a.top_k};
      switch (random() % 3) {
        case 0:
          if (!array.empty()) array[random() % array.size()] = value;
          break;
        case 1:
          *fields[random() % 5] = value;
          break;
        case 2:
          array.resize(random() % 10, value);
          break;
      }
    }
    const ScoreRequest request = a.request();
    if (!error_of([&] { check_request(request, model.config()); }).empty()) continue;
    const size_t n = a.rows.size(), top = n * static_cast<size_t>(a.top_k);
    std::vector<float> log_prob(n, 1), top_log_prob(top, 1);
    std::vector<int32_t> argmax(n, -1), top_ids(top, -1);
    score(model, request, {log_prob, argmax, top_ids, top_log_prob}, Control());
    for (size_t i = 0; i < n; i++) CHECK(log_prob[i] <= 0 && argmax[i] >= 0 && argmax[i] < 77);
    for (size_t i = 0; i < top; i++) CHECK(top_log_prob[i] <= 0 && top_ids[i] >= 0 && top_ids[i] < 77);
    ran++;
  }
  CHECK(ran > kRounds / 20);
}

struct Step {
  const char* code;
  const char* message;
  std::vector<SessionSequence> sequences;
  std::vector<int32_t> offsets, ids;
};

// Steps of a session of 11 rows.
const Step kSteps[] = {
    {"INVALID_ARGUMENT", "a step without sequences", {}, {0}, {}},
    {"INVALID_ARGUMENT", "offsets has 1 elements, expected 2", {{0}}, {0}, {}},
    {"INVALID_ARGUMENT", "offsets[0] is 1, expected 0", {{0}}, {1, 2}, {1, 2}},
    {"INVALID_ARGUMENT", "offsets[1] is 0, expected 1 .. 1", {{0}}, {0, 0}, {1}},
    {"INVALID_ARGUMENT", "offsets[1] is 2, expected 1 .. 1", {{0}}, {0, 2}, {1}},
    {"INVALID_ARGUMENT", "offsets[2] is -2147483648, expected 2 .. 3", {{0}, {8}}, {0, 1, INT32_MIN}, {1, 2, 3}},
    {"INVALID_ARGUMENT", "offsets[1] is 1, expected 2", {{0}}, {0, 1}, {1, 2}},
    {"INVALID_ARGUMENT", "sequence 0 begins at row -1, expected at least 0", {{-1}}, {0, 1}, {1}},
    {"INVALID_ARGUMENT", "sequence 0 holds -1 tokens, expected at least 0", {{0, -1}}, {0, 1}, {1}},
    {"INVALID_ARGUMENT", "sequence 1 would end at row 12; the session has 11", {{0}, {8, 3}}, {0, 1, 2}, {1, 2}},
    {"INVALID_ARGUMENT", "sequence 0 would end at row 2147483648;", {{INT32_MAX}}, {0, 1}, {1}},
    {"INVALID_ARGUMENT", "sequence 0 would end at row 2147483649;", {{INT32_MAX, 1}}, {0, 1}, {1}},
    {"INVALID_ARGUMENT", "sequences 0 and 1 share row 4", {{4}, {2, 2}}, {0, 1, 2}, {1, 2}},
    {"INVALID_ARGUMENT", "sequences 0 and 2 share row 0", {{0}, {5}, {0}}, {0, 1, 2, 3}, {1, 2, 3}},
    {"TOKEN_OUT_OF_RANGE", "ids[1] is 77;", {{0}}, {0, 2}, {1, 77}},
    {"CONTEXT_LENGTH", "sequence 0 holds 1500 tokens and is given 1; the model has 1500", {{0, 1500}}, {0, 1}, {1}},
    {"CONTEXT_LENGTH", "sequence 0 holds 2147483647 tokens and is given 1;", {{0, INT32_MAX}}, {0, 1}, {1}},
};

// The second tree of a pack after rows of a session of 11, at positions from there on.
void segments_lie_in_the_session(const std::shared_ptr<Llama>& model) {
  Session session = session_of(model, 11), without_rows(model);
  const auto code = [&](Session& in, int32_t row, int32_t length, int32_t position, std::string* message) {
    Arrays a;
    a.trees[1].segment_row = row;
    a.trees[1].segment_len = length;
    a.pos[5] = position;
    a.pos[6] = position + 1;
    const size_t n = a.rows.size(), top = n * static_cast<size_t>(a.top_k);
    std::vector<float> log_prob(n), top_log_prob(top);
    std::vector<int32_t> argmax(n), top_ids(top);
    return error_of([&] { in.score(a.request(), {log_prob, argmax, top_ids, top_log_prob}, Control()); }, message);
  };
  struct Segment {
    int32_t row, length, position;
    const char* code;
    const char* message;
  };
  const Segment cases[] = {
      {3, 8, 8, "", ""},
      {0, 0, 0, "", ""},
      {4, 8, 8, "INVALID_ARGUMENT", "tree 1 has a segment of 8 rows from row 4 on; the KV cache has 11"},
      {-1, 2, 2, "INVALID_ARGUMENT", "tree 1 has a segment of 2 rows from row -1 on"},
      {3, -1, 0, "INVALID_ARGUMENT", "tree 1 has a segment of -1 rows"},
      {INT32_MAX, INT32_MAX, 2, "INVALID_ARGUMENT", "tree 1 has a segment of 2147483647 rows from row 2147483647"},
      {3, 8, 0, "INVALID_ARGUMENT", "positions[5] is 0, expected 8"},
  };
  for (const Segment& c : cases) {
    std::string message;
    const std::string got = code(session, c.row, c.length, c.position, &message);
    check(got == c.code && message.find(c.message) == 0, "%s \"%s\", want %s \"%s...\"", got.c_str(), message.c_str(),
          c.code, c.message);
  }
  std::string message;
  CHECK_EQ(code(without_rows, 0, 0, 0, &message), "");
  CHECK_EQ(code(without_rows, 0, 1, 1, &message), "INVALID_ARGUMENT");
}

void broken_texts_are_refused() {
  struct Texts {
    const char* code;
    const char* message;
    std::vector<int32_t> offsets, ids;
  };
  const Texts cases[] = {
      {"", "", {0, 2, 3}, {1, 2, 3}},
      {"INVALID_ARGUMENT", "no texts", {}, {}},
      {"INVALID_ARGUMENT", "no texts", {0}, {}},
      {"INVALID_ARGUMENT", "offsets[0] is 1, expected 0", {1, 2}, {1, 2}},
      {"INVALID_ARGUMENT", "offsets[2] is 2, expected 3 .. 3", {0, 2, 2}, {1, 2, 3}},
      {"INVALID_ARGUMENT", "offsets[1] is 2, expected 3", {0, 2}, {1, 2, 3}},
      {"INVALID_ARGUMENT", "offsets[1] is 4, expected 1 .. 3", {0, 4}, {1, 2, 3}},
      {"TOKEN_OUT_OF_RANGE", "ids[1] is 77;", {0, 2}, {1, 77}},
      {"CONTEXT_LENGTH", "text 1 has 1501 tokens; the model has 1500", {0, 1, 1502}, std::vector<int32_t>(1502)},
  };
  for (const Texts& c : cases) {
    std::string message;
    const std::string code = error_of([&] { check_request(EmbedRequest{c.offsets, c.ids}, tiny_config()); }, &message);
    check(code == c.code && message.find(c.message) == 0, "%s \"%s\", want %s \"%s...\"", code.c_str(), message.c_str(),
          c.code, c.message);
  }
}

void broken_steps_are_refused_and_change_nothing(const std::shared_ptr<Llama>& model) {
  Session session = session_of(model, 11);
  int32_t next[3];
  float log_probs[3];
  for (const Step& s : kSteps) {
    std::string message;
    const std::string code = error_of(
        [&] {
          session.step({s.sequences, s.offsets, s.ids}, {next, log_probs}, Control());
        },
        &message);
    check(code == s.code && message.find(s.message) == 0, "%s \"%s\", want %s \"%s...\"", code.c_str(), message.c_str(),
          s.code, s.message);
  }
  const std::vector<SessionSequence> one = {{0}};
  const std::vector<int32_t> offsets = {0, 2}, ids = {4, 9};
  int32_t words[2] = {1, 0};
  CHECK_EQ(error_of([&] { session.step({one, offsets, ids}, {next, log_probs}, Control(words)); }), "ABORTED");
  session.step({one, offsets, ids}, {next, log_probs}, Control());
  Session fresh = session_of(model, 2);
  int32_t want;
  float want_log_prob;
  fresh.step({one, offsets, ids}, {{&want, 1}, {&want_log_prob, 1}}, Control());
  CHECK_EQ(next[0], want);
  CHECK_EQ(log_probs[0], want_log_prob);
}

void broken_samplings_are_refused(const std::shared_ptr<Llama>& model) {
  Session session = session_of(model, 4);
  const std::vector<int32_t> offsets = {0, 1, 2}, ids = {1, 1};
  int32_t next[2];
  float log_probs[2];
  const auto code = [&](const Sampling& sampling) {
    const std::vector<SessionSequence> two = {{0}, {.first_row = 1, .sampling = sampling}};
    return error_of([&] { session.step({two, offsets, ids}, {next, log_probs}, Control()); });
  };
  CHECK_EQ(code({}), "");
  CHECK_EQ(code({.temperature = -1}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.temperature = HUGE_VALF}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.top_k = -1}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.top_p = 0}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.top_p = 1.5f}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.min_p = -0.1f}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.min_p = 1.1f}), "INVALID_ARGUMENT");
  CHECK_EQ(code({.min_p = NAN}), "INVALID_ARGUMENT");
  const auto adjusted = [&](const std::vector<Adjustment>& adjustments) {
    const std::vector<SessionSequence> two = {{0}, {.first_row = 1, .adjustments = adjustments}};
    return error_of([&] { session.step({two, offsets, ids}, {next, log_probs}, Control()); });
  };
  CHECK_EQ(adjusted({{0, 1, 0}, {3, 2, -HUGE_VALF}, {76, 0.5f, 100}}), "");
  CHECK_EQ(adjusted({{-1, 1, 0}}), "TOKEN_OUT_OF_RANGE");
  CHECK_EQ(adjusted({{77, 1, 0}}), "TOKEN_OUT_OF_RANGE");
  CHECK_EQ(adjusted({{3, 1, 0}, {3, 1, 0}}), "INVALID_ARGUMENT");
  CHECK_EQ(adjusted({{3, 1, 0}, {2, 1, 0}}), "INVALID_ARGUMENT");
  for (const float penalty : {0.0f, -1.0f, HUGE_VALF, NAN}) CHECK_EQ(adjusted({{3, penalty, 0}}), "INVALID_ARGUMENT");
  for (const float addend : {HUGE_VALF, NAN}) CHECK_EQ(adjusted({{3, 1, addend}}), "INVALID_ARGUMENT");
  const auto masked = [&](const std::vector<uint32_t>& mask) {
    const std::vector<SessionSequence> two = {{0}, {.first_row = 1, .mask = mask}};
    return error_of([&] { session.step({two, offsets, ids}, {next, log_probs}, Control()); });
  };
  CHECK_EQ(masked({0, 0, 1 << 12}), "");  // token 76, the last one
  for (const std::vector<uint32_t>& mask : std::vector<std::vector<uint32_t>>{{1}, {1, 1, 1, 1}, {0, 0, 1 << 13}})
    CHECK_EQ(masked(mask), "INVALID_ARGUMENT");
  for (const int32_t top_k : {-1, 78}) {
    const std::vector<SessionSequence> two = {{0}, {.first_row = 1, .top_k = top_k}};
    CHECK_EQ(error_of([&] { session.step({two, offsets, ids}, {next, log_probs}, Control()); }), "INVALID_ARGUMENT");
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  broken_requests_are_refused();
  more_rows_than_an_int_counts_are_refused();
  broken_texts_are_refused();
  for (auto& backend : {mt::make_reference_backend, +[] { return mt::make_cpu_backend(2); }}) {
    const auto model = load_tiny(backend(), mt::DType::kFloat32);
    random_requests_are_refused_or_run(*model);
    broken_steps_are_refused_and_change_nothing(model);
    broken_samplings_are_refused(model);
    segments_lie_in_the_session(model);
  }
  return finish("model_request");
}
