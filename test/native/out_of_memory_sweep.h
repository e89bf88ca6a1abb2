// A sweep of the allocations of a load, of scores, of logits, of a generation: the n-th fails, for every n there is.
// The call throws OUT_OF_MEMORY or gives its result, and afterwards the same objects give the same bits.
#pragma once
#include <cstring>
#include <functional>
#include <numeric>
#include <string>

#include "../../native/model/score.h"
#include "../../native/model/session.h"
#include "check.h"
#include "failing_allocator.h"
#include "pack_building.h"
#include "sanitizer.h"
#include "tiny_model.h"

namespace mt::test {

// Under a sanitizer one of every so many allocations fails, of those that are to fail.
constexpr int kSlowness = kThreadSanitized ? 37 : kSanitized ? 11 : 1;

// Far more than any of the calls makes.
constexpr int kMaxAllocations = 20'000;

enum class Failing { kOne, kAllFromThere };

// Runs `body` with its n-th allocation failing. Returns whether it came to an n-th at all; `error` says how it ended.
inline bool run_failing(int n, Failing failing, const std::function<void()>& body, std::string& error) {
  struct Disarm {
    ~Disarm() {
      orders->all_fail = false;
      orders->left = 0;
    }
  };
  error.clear();
  bool reached = false;
  try {
    const Disarm disarm;
    orders->left = n;
    orders->all_fail = failing == Failing::kAllFromThere;
    body();
    reached = orders->left <= 0;
  } catch (const Error& caught) {
    reached = true;
    error = error_code_name(caught.code());
  } catch (const std::bad_alloc&) {
    reached = true;
    error = "OUT_OF_MEMORY";
  }
  return reached;
}

using Bits = std::vector<float>;

inline bool same_bits(const Bits& a, const Bits& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Device {
  std::string name;
  int step;    // 1: every allocation fails in its turn; 3: the 1st, the 4th, the 7th ..
  int tokens;  // of the longest sequence
  std::function<std::unique_ptr<Backend>()> make;
};

struct Task {
  const char* name;
  std::function<Bits(const std::shared_ptr<Llama>&, int tokens)> run;
};

// A tree and a plain sequence, with alternatives for every scored token.
inline Bits score_pack(const std::shared_ptr<Llama>& model, int tokens) {
  std::mt19937 random(3);
  PackBuilding pack;
  pack.add_tree({random_ids(random, tokens, 77), {random_ids(random, 3, 77), random_ids(random, 5, 77)}});
  pack.add_plain({random_ids(random, 9, 77), {random_ids(random, 2, 77)}});
  const size_t rows = pack.rows.size();
  constexpr int kTop = 5;
  std::vector<float> log_prob(rows), top_log_prob(rows * kTop);
  std::vector<int32_t> argmax(rows), top_ids(rows * kTop);
  const ScoreRequest request = {{pack.ids, pack.pos, pack.branch_start, pack.trees}, pack.rows, pack.targets, kTop};
  check_request(request, model->config());
  score(*model, request, {log_prob, argmax, top_ids, top_log_prob}, Control());
  Bits bits = log_prob;
  bits.insert(bits.end(), top_log_prob.begin(), top_log_prob.end());
  bits.insert(bits.end(), top_ids.begin(), top_ids.end());
  return bits;
}

inline Bits logits_of_a_sequence(const std::shared_ptr<Llama>& model, int) {
  const std::vector<int32_t> ids = {5, 1, 4, 2, 70};
  Bits logits(ids.size() * static_cast<size_t>(model->config().vocab_size));
  sequence_logits(*model, ids, logits.data(), Control());
  return logits;
}

// Two sequences, a prefill and two steps each; a step that finds no memory is the session's to repeat.
inline Bits generate(const std::shared_ptr<Llama>& model, int tokens, const Sampling& sampling) {
  Session session(model);
  session.resize(2 * tokens, {});
  const RowCopy all = {0, 0, 2 * tokens};
  session.resize(3 * tokens, {&all, 1});
  Bits bits;
  std::vector<int32_t> ids(tokens, 7), offsets = {0, tokens - 2, tokens}, next(2);
  std::vector<SessionSequence> sequences = {{.first_row = 0, .sampling = sampling},
                                            {.first_row = 2 * tokens, .stream = 1, .sampling = sampling}};
  std::vector<float> log_probs(2);
  for (int step = 0; step < 3; step++) {
    session.step({sequences, offsets, ids}, {next, log_probs}, Control());
    for (size_t i = 0; i < 2; i++) sequences[i].length += offsets[i + 1] - offsets[i];
    bits.insert(bits.end(), next.begin(), next.end());
    bits.insert(bits.end(), log_probs.begin(), log_probs.end());
    ids = next;
    offsets = {0, 1, 2};
  }
  return bits;
}

inline const Task kTasks[] = {
    {"score", score_pack},
    {"logits", logits_of_a_sequence},
    {"reserve and score",
     [](const std::shared_ptr<Llama>& model, int tokens) {
       model->reserve(300);
       return score_pack(model, tokens);
     }},
    {"generate", [](const std::shared_ptr<Llama>& model, int tokens) { return generate(model, tokens, {}); }},
    {"sample",
     [](const std::shared_ptr<Llama>& model, int tokens) {
       return generate(model, tokens, {.temperature = 0.8f, .top_k = 20, .top_p = 0.9f, .seed = 3});
     }},
};

class Sweep {
 public:
  Sweep(Device device, DType dtype)
      : device_(std::move(device)),
        dtype_(dtype),
        checkpoint_(random_checkpoint(tiny_config(), 1)),
        file_(checkpoint_.bytes()) {
    tensors_ = checkpoint_.in(file_);
  }

  void run() {
    for (const Failing failing : {Failing::kOne, Failing::kAllFromThere}) {
      of_load(failing);
      for (const Task& task : kTasks) of_task(task, failing);
    }
  }

 private:
  std::shared_ptr<Llama> load() const {
    return std::make_shared<Llama>(device_.make(), tiny_config(), tensors_, dtype_, Control());
  }

  void judge(const char* task, int n, const std::string& error, bool same) const {
    check(error.empty() || error == "OUT_OF_MEMORY", "%s, %s: allocation %d fails and the error is %s",
          device_.name.c_str(), task, n, error.c_str());
    check(same, "%s, %s: after allocation %d has failed, other bits", device_.name.c_str(), task, n);
  }

  // Calls body(n) for n = 1, 2, .. until it says that there was no n-th allocation.
  template <class Body>
  void for_each_allocation(const char* task, const Body& body) const {
    int n = 1;
    while (n < kMaxAllocations && body(n)) n += device_.step * kSlowness;
    check(n > 1 && n < kMaxAllocations, "%s, %s: %d allocations", device_.name.c_str(), task, n);
    std::printf("%s, %s: %d allocations\n", device_.name.c_str(), task, n - 1);
  }

  void of_load(Failing failing) const {
    const Bits want = logits_of_a_sequence(load(), 0);
    for_each_allocation("load", [&](int n) {
      std::shared_ptr<Llama> model;
      std::string error;
      const bool reached = run_failing(
          n, failing, [&] { model = load(); }, error);
      const bool loads = model != nullptr;
      if (!loads) model = load();  // nothing that has failed stays behind
      judge("load", n, error, loads ? same_bits(logits_of_a_sequence(model, 0), want) : !error.empty());
      return reached;
    });
  }

  void of_task(const Task& task, Failing failing) const {
    const Bits want = task.run(load(), device_.tokens);
    for_each_allocation(task.name, [&](int n) {
      const auto model = load();
      Bits got = want;
      std::string error;
      const bool reached = run_failing(
          n, failing, [&] { got = task.run(model, device_.tokens); }, error);
      judge(task.name, n, error, same_bits(got, want) && same_bits(task.run(model, device_.tokens), want));
      return reached;
    });
  }

  const Device device_;
  const DType dtype_;
  const Checkpoint checkpoint_;
  const TemporaryFile file_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace mt::test
