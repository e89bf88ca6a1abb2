// What the CUDA backend asks of its device, counted by the simulator: weights take one piece of memory; a pack or a
// step like an earlier one takes no memory and one wait; and running out of memory is an error from which it recovers.
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "base/growth.h"
#include "check.h"
#include "cuda_target.h"
#include "model/score.h"
#include "sanitizer.h"
#include "session_of.h"
#include "simulator/counters.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

const std::vector<DType> kDTypes =
    kSanitized ? std::vector{DType::kBFloat16} : std::vector{DType::kFloat32, DType::kBFloat16, DType::kFloat16};
constexpr double kLimitGrowth = kSanitized ? 2.5 : 1.25;
constexpr int kTokensMore = kSanitized ? 16 : 4;  // of a pack than of the one before

using host_device::Counters;
using host_device::counters;

// What `body` asks for.
template <class Body>
Counters asked_by(Body body) {
  const Counters before = counters();
  body();
  const Counters after = counters();
  return {after.allocations - before.allocations,
          after.bytes - before.bytes,
          after.waits - before.waits,
          after.launches - before.launches,
          after.handles - before.handles,
          after.memory_queries - before.memory_queries};
}

// Refuses each of the backend's streams and events in turn.
void a_backend_that_cannot_be_made_leaves_nothing() {
  int refused = 0;
  std::string code;
  do {
    host_device::fail_handle_after(refused);
    const Counters left = asked_by([&] { code = error_of([] { MT_TARGET::make_backend(0); }); });
    CHECK_EQ(left.handles, 0);
    CHECK_EQ(left.bytes, 0);
  } while (!code.empty() && ++refused < 100);
  host_device::fail_handle_after(-1);
  CHECK_EQ(refused, 6);
}

// A config whose rows are a multiple of 16 bytes, which those of tiny_config() are not.
LlamaConfig aligned_config() {
  LlamaConfig config = tiny_config();
  config.layers = 2;
  config.vocab_size = 96;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.rope_frequencies.assign(8, 0.5f);
  return config;
}

std::shared_ptr<Llama> load(const LlamaConfig& config, DType dtype) {
  return load_tiny(MT_TARGET::make_backend(0), dtype, config);
}

void weights_are_one_piece_of_the_size_foretold(DType dtype) {
  const Checkpoint checkpoint = random_checkpoint(tiny_config(), 1);
  const size_t want = weight_bytes(*MT_TARGET::make_backend(0), tiny_config(), dtype);
  std::shared_ptr<Llama> model;
  const Counters load_asked = asked_by([&] { model = load(tiny_config(), dtype); });
  CHECK_EQ(load_asked.bytes, static_cast<int64_t>(want));
  CHECK_EQ(model->weight_bytes(), want);
  CHECK_EQ(load_asked.allocations, 3);  // one for the weights, and two pieces of pinned memory
  const Counters left = asked_by([&] { model.reset(); });
  CHECK_EQ(left.bytes, -static_cast<int64_t>(want));
}

void a_pack_like_the_last_takes_no_memory_and_one_wait(const std::shared_ptr<Llama>& model) {
  const int vocab = model->config().vocab_size;
  constexpr int32_t kTokens = 40;
  std::mt19937 random(3);
  const std::vector<int32_t> ids = random_ids(random, kTokens, vocab), targets = random_ids(random, kTokens, vocab);
  std::vector<int32_t> pos(kTokens), branch_start(kTokens, 0), argmax(kTokens);
  std::iota(pos.begin(), pos.end(), 0);
  const Tree tree = {0, kTokens};
  for (const int top_k : {0, 1, 3}) {
    std::vector<float> log_prob(kTokens), top_log_prob(kTokens * top_k);
    std::vector<int32_t> top_ids(kTokens * top_k);
    const auto run = [&] {
      score(*model, {{ids, pos, branch_start, {&tree, 1}}, pos, targets, top_k},
            {log_prob, argmax, top_ids, top_log_prob}, Control());
    };
    run();
    const Counters asked = asked_by(run);
    CHECK_EQ(asked.allocations, 0);
    CHECK_EQ(asked.waits, 1);
  }
}

void memory_grows_by_a_quarter_where_there_is_room() {
  CHECK_EQ(grown(0, 100, 1000), 100u);
  CHECK_EQ(grown(100, 101, 1000), 125u);
  CHECK_EQ(grown(100, 300, 1000), 300u);
  CHECK_EQ(grown(100, 101, 250), 125u);
  CHECK_EQ(grown(100, 101, 249), 101u);
}

// Scores the last token of one sequence.
void score_last(Llama& model, std::span<const int32_t> ids) {
  const auto tokens = static_cast<int32_t>(ids.size());
  std::vector<int32_t> pos(tokens);
  std::iota(pos.begin(), pos.end(), 0);
  const std::vector<int32_t> branch_start(tokens, 0);
  const Tree tree = {0, tokens};
  const int32_t row = tokens - 1, target = 0;
  float log_prob;
  int32_t argmax;
  score(model, {{ids, pos, branch_start, {&tree, 1}}, {&row, 1}, {&target, 1}, 0},
        {{&log_prob, 1}, {&argmax, 1}, {}, {}}, Control());
}

// Activations and padded rows grow by a quarter. RoPE's table and the memory for copies grow to powers of two.
void packs_that_grow_seldom_take_memory() {
  constexpr int kFirst = 40, kLast = 200;
  const auto model = load(tiny_config(), DType::kBFloat16);
  std::mt19937 random(5);
  const std::vector<int32_t> ids = random_ids(random, kLast, model->config().vocab_size);
  score_last(*model, {ids.data(), kFirst});
  const Counters asked = asked_by([&] {
    for (size_t tokens = kFirst + kTokensMore; tokens <= kLast; tokens += kTokensMore)
      score_last(*model, {ids.data(), tokens});
  });
  CHECK(asked.allocations <= 2 * 8 + 8);  // growing by a quarter 8 times leads from 40 to more than 200
}

// Decodes three sequences, with prompts of `length`, 3 and 40 tokens.
void a_step_of_decoding_takes_no_memory_and_one_wait(const std::shared_ptr<Llama>& model, int32_t length,
                                                     const Sampling& sampling, int launches) {
  const int32_t lengths[] = {length, 3, 40};
  std::mt19937 random(4);
  std::vector<SessionSequence> sequences;
  std::vector<int32_t> offsets = {0}, ids;
  int32_t rows = 0;
  for (const int32_t n : lengths) {
    sequences.push_back({.first_row = rows, .stream = n, .sampling = sampling});
    rows += n + 8;
    const std::vector<int32_t> prompt = random_ids(random, n, model->config().vocab_size);
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  Session session = session_of(model, rows);
  std::vector<int32_t> next(3);
  std::vector<float> log_probs(3);
  const auto step = [&] {
    session.step({sequences, offsets, ids}, {next, log_probs}, Control());
    for (size_t s = 0; s < 3; s++) sequences[s].length += offsets[s + 1] - offsets[s];
    ids = next;
    offsets = {0, 1, 2, 3};
  };
  step();
  step();
  for (int t = 0; t < 3; t++) {
    const Counters asked = asked_by(step);
    CHECK_EQ(asked.allocations, 0);
    CHECK_EQ(asked.waits, 1);
    if (launches > 0) CHECK_EQ(asked.launches, launches);
  }
}

// While it lives, the device has only `bytes` more memory than is held now.
class Limit {
 public:
  explicit Limit(int64_t bytes) { setenv(kName, std::to_string(counters().bytes + bytes).c_str(), 1); }
  ~Limit() { unsetenv(kName); }

 private:
  static constexpr const char* kName = "MT_LLAMA_HOST_DEVICE_BYTES";
};

// The outcome of a prompt of 400 tokens in a session of its own, on a model that has run nothing: its log-probability,
// or the code of an error.
struct Outcome {
  std::string code;
  float log_prob = 0;
  int64_t launches = 0;
};
Outcome run_prompt(const std::shared_ptr<Llama>& model) {
  std::mt19937 random(6);
  const std::vector<int32_t> ids = random_ids(random, 400, model->config().vocab_size), offsets = {0, 400};
  const SessionSequence sequence = {};
  Outcome outcome;
  int32_t next;
  outcome.launches = asked_by([&] {
                       outcome.code = error_of([&] {
                         Session session = session_of(model, 400);
                         session.step({{&sequence, 1}, offsets, ids}, {{&next, 1}, {&outcome.log_prob, 1}}, Control());
                       });
                     }).launches;
  return outcome;
}

void a_step_that_finds_no_memory_goes_on_in_smaller_packs() {
  const Outcome want = run_prompt(load(aligned_config(), DType::kBFloat16));
  int refused = 0, smaller = 0;
  for (int64_t bytes = 64 << 10; bytes <= 1024 << 10; bytes = static_cast<int64_t>(bytes * kLimitGrowth)) {
    const auto model = load(aligned_config(), DType::kBFloat16);
    Outcome limited;
    {
      const Limit limit(bytes);
      limited = run_prompt(model);
    }
    if (limited.code.empty()) {
      CHECK(std::memcmp(&limited.log_prob, &want.log_prob, sizeof(float)) == 0);
      smaller += limited.launches > want.launches;
    } else {
      CHECK_EQ(limited.code, "OUT_OF_MEMORY");
      refused++;
      const Outcome again = run_prompt(model);  // there is memory again
      CHECK_EQ(again.code, "");
      CHECK(std::memcmp(&again.log_prob, &want.log_prob, sizeof(float)) == 0);
    }
  }
  CHECK(refused > 0);
  CHECK(smaller > 0);
}

void packs_are_as_large_as_half_of_the_free_memory_holds() {
  const auto model = load(aligned_config(), DType::kBFloat16);
  const Counters asked = asked_by([&] { CHECK_EQ(model->reserve(300), 300); });
  CHECK_EQ(asked.memory_queries, 1);
  {
    const Limit limit(4 << 20);
    const Counters before = counters();
    const int tokens = model->reserve(1 << 20);
    const int64_t taken = counters().bytes - before.bytes;
    CHECK(tokens > 1000 && tokens < 1 << 20);
    CHECK(taken > 1 << 19 && taken <= 2 << 20);
  }
  std::string message;
  const Limit limit(-counters().bytes);
  CHECK_EQ(error_of([&] { model->reserve(1 << 20); }, &message), "OUT_OF_MEMORY");
}

LlamaConfig with(int vocab, int heads, int head_dim, int context_length) {
  LlamaConfig config = tiny_config();
  config.layers = 1;
  config.vocab_size = vocab;
  config.heads = heads;
  config.head_dim = head_dim;
  config.context_length = context_length;
  config.rope_frequencies.assign(head_dim / 2, 0.5f);
  return config;
}

void heads_too_large_for_attention_are_refused_before_a_load() {
  const LlamaConfig config = with(9, 2, 258, 500);
  std::string message;
  CHECK_EQ(error_of([&] { load(config, DType::kBFloat16); }, &message), "INVALID_ARGUMENT");
  CHECK(message.find("headDim is 258; attention on a GPU takes at most 256") != std::string::npos);
}

// Scores all rows of packs with short sequences, and of packs with sequences as long as the context.
void reserved_packs_fit_whatever_others_take_of_what_is_left(const LlamaConfig& config) {
  const auto model = load(config, DType::kBFloat16);
  const Limit limit(3 << 20);
  const int tokens = model->reserve(1 << 20);
  CHECK(tokens >= 256 && tokens < 1 << 20);
  const std::unique_ptr<Buffer> others = model->backend().allocate(model->free_bytes());
  for (const int32_t length : {30, config.context_length}) {
    constexpr int kTop = 2;  // needs logits in memory, which the best one alone does not
    std::vector<int32_t> ids(tokens, 1), pos(tokens), branch_start(tokens), rows(tokens), argmax(tokens),
        top_ids(kTop * tokens);
    std::vector<Tree> trees;
    std::iota(rows.begin(), rows.end(), 0);
    for (int32_t t = 0; t < tokens; t++) {
      pos[t] = t % length;
      branch_start[t] = t - pos[t];
      if (pos[t] == 0) trees.push_back({t, std::min(t + length, tokens)});
    }
    std::vector<float> log_prob(tokens), top_log_prob(kTop * tokens);
    std::string message;
    error_of(
        [&] {
          score(*model, {{ids, pos, branch_start, trees}, rows, ids, kTop}, {log_prob, argmax, top_ids, top_log_prob},
                Control());
        },
        &message);
    CHECK_EQ(message, "");
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt;
  using namespace mt::test;
  a_backend_that_cannot_be_made_leaves_nothing();
  for (const DType dtype : kDTypes) {
    weights_are_one_piece_of_the_size_foretold(dtype);
    const auto tiny = load(tiny_config(), dtype), aligned = load(aligned_config(), dtype);
    for (const auto& model : {tiny, aligned}) a_pack_like_the_last_takes_no_memory_and_one_wait(model);
    a_step_of_decoding_takes_no_memory_and_one_wait(tiny, 30, {}, 0);
    // A layer launches norm, qkv, append, attention, o, norm, gate-up and down. embed comes before all layers; norm,
    // the head and its reduction come after them.
    const int layers = aligned->config().layers;
    a_step_of_decoding_takes_no_memory_and_one_wait(aligned, 50, {}, 8 * layers + 4);
    a_step_of_decoding_takes_no_memory_and_one_wait(aligned, 50, {.temperature = 0.7f, .top_k = 9, .top_p = 0.8f},
                                                    8 * layers + 4);
    // For long sequences attention has splits, which one more launch merges.
    if (dtype == DType::kBFloat16) a_step_of_decoding_takes_no_memory_and_one_wait(aligned, 520, {}, 9 * layers + 4);
  }
  memory_grows_by_a_quarter_where_there_is_room();
  packs_that_grow_seldom_take_memory();
  a_step_that_finds_no_memory_goes_on_in_smaller_packs();
  packs_are_as_large_as_half_of_the_free_memory_holds();
  heads_too_large_for_attention_are_refused_before_a_load();
  // Each config makes one thing take the most memory: padded rows, logits, partial sums, RoPE's table.
  std::vector<LlamaConfig> configs = {with(9, 30, 10, 500), with(300, 4, 8, 500), with(9, 6, 8, 1200),
                                      with(9, 2, 128, 500)};
  if (kSanitized) configs.resize(1);
  for (const LlamaConfig& config : configs) reserved_packs_fit_whatever_others_take_of_what_is_left(config);
  return finish("cuda_steady_test");
}
