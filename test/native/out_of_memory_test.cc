// An allocation that fails, the n-th of a load, of scores, of logits, of a generation, for every n there is: the call
// throws OUT_OF_MEMORY or gives its result, and afterwards the same objects give the same bits. Every thread counts.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <string>

#include "../../native/model/score.h"
#include "../../native/model/session.h"
#include "check.h"
#include "pack_building.h"
#include "tiny_model.h"

namespace {

std::atomic<int> left{0};           // allocations until one fails; 0 or less: none fails
std::atomic<bool> all_fail{false};  // those after it too

bool fails() {
  if (left.load(std::memory_order_relaxed) <= 0) return all_fail;
  if (left.fetch_sub(1) != 1) return false;
  return true;
}

void* allocate(size_t bytes, size_t alignment) noexcept {
  if (fails()) return nullptr;
  void* p = nullptr;
  return posix_memalign(&p, alignment, bytes ? bytes : 1) == 0 ? p : nullptr;
}

void* allocate_or_throw(size_t bytes, size_t alignment) {
  void* p = allocate(bytes, alignment);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

void* operator new(size_t bytes) { return allocate_or_throw(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, std::align_val_t to) { return allocate_or_throw(bytes, size_t(to)); }
void* operator new(size_t bytes, std::align_val_t to, const std::nothrow_t&) noexcept {
  return allocate(bytes, size_t(to));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace mt::test {
namespace {

// Sanitizers make everything slower: they get every fifth allocation.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kStep = 5;
#else
constexpr int kStep = 1;
#endif

// Far more than any of the calls makes.
constexpr int kMaxAllocations = 20'000;

enum class Failing { kOne, kAllFromThere };

// Runs `body` with its n-th allocation failing. Whether it came to an n-th at all; `error` says how it ended.
bool run_failing(int n, Failing failing, const std::function<void()>& body, std::string& error) {
  struct Disarm {
    ~Disarm() {
      all_fail = false;
      left = 0;
    }
  };
  error.clear();
  bool reached = false;
  try {
    const Disarm disarm;
    left = n;
    // What fails after the n-th is known only once that has failed: from then on `left` is 0.
    all_fail = failing == Failing::kAllFromThere;
    body();
    reached = left <= 0;
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

bool same_bits(const Bits& a, const Bits& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Device {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};

struct Task {
  const char* name;
  std::function<Bits(const std::shared_ptr<Llama>&)> run;
};

// Trees, and sequences of several blocks of keys, with alternatives for every scored token.
Bits score_pack(const std::shared_ptr<Llama>& model) {
  std::mt19937 random(3);
  PackBuilding pack;
  pack.add_tree({random_ids(random, 70, 77), {random_ids(random, 3, 77), random_ids(random, 5, 77)}});
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

Bits logits_of_a_sequence(const std::shared_ptr<Llama>& model) {
  const std::vector<int32_t> ids = {5, 1, 4, 2, 70};
  Bits logits(ids.size() * static_cast<size_t>(model->config().vocab_size));
  sequence_logits(*model, ids, logits.data(), Control());
  return logits;
}

// Two sequences, a prefill and two steps each; a step that finds no memory is the session's to repeat.
Bits generate(const std::shared_ptr<Llama>& model, const Sampling& sampling) {
  Session session(model, 100, sampling);
  Bits bits;
  std::vector<int32_t> ids(30, 7), offsets = {0, 20, 30}, next(2);
  std::vector<SessionSequence> sequences = {{.first_row = 0}, {.first_row = 60, .stream = 1}};
  std::vector<float> log_probs(2);
  for (int step = 0; step < 3; step++) {
    session.step({sequences, offsets, ids}, next, log_probs, Control());
    for (size_t i = 0; i < 2; i++) sequences[i].length += offsets[i + 1] - offsets[i];
    bits.insert(bits.end(), next.begin(), next.end());
    bits.insert(bits.end(), log_probs.begin(), log_probs.end());
    ids = next;
    offsets = {0, 1, 2};
  }
  return bits;
}

const Task kTasks[] = {
    {"score", score_pack},
    {"logits", logits_of_a_sequence},
    {"reserve and score",
     [](const std::shared_ptr<Llama>& model) {
       model->reserve(300);
       return score_pack(model);
     }},
    {"generate", [](const std::shared_ptr<Llama>& model) { return generate(model, {}); }},
    {"sample",
     [](const std::shared_ptr<Llama>& model) {
       return generate(model, {.temperature = 0.8f, .top_k = 20, .top_p = 0.9f, .seed = 3});
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
    while (n < kMaxAllocations && body(n)) n += kStep;
    check(n > 1 && n < kMaxAllocations, "%s, %s: %d allocations", device_.name.c_str(), task, n);
    std::printf("%s, %s: %d allocations\n", device_.name.c_str(), task, n - 1);
  }

  void of_load(Failing failing) const {
    const Bits want = logits_of_a_sequence(load());
    for_each_allocation("load", [&](int n) {
      std::shared_ptr<Llama> model;
      std::string error;
      const bool reached = run_failing(
          n, failing, [&] { model = load(); }, error);
      judge("load", n, error, same_bits(logits_of_a_sequence(model ? model : load()), want));
      return reached;
    });
  }

  void of_task(const Task& task, Failing failing) const {
    const Bits want = task.run(load());
    for_each_allocation(task.name, [&](int n) {
      const auto model = load();
      Bits got = want;
      std::string error;
      const bool reached = run_failing(
          n, failing, [&] { got = task.run(model); }, error);
      judge(task.name, n, error, same_bits(got, want) && same_bits(task.run(model), want));
      return reached;
    });
  }

  const Device device_;
  const DType dtype_;
  const Checkpoint checkpoint_;
  const TemporaryFile file_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt;
  using namespace mt::test;
  Sweep({"reference", make_reference_backend}, DType::kFloat32).run();
  Sweep({"cpu, one thread", [] { return make_cpu_backend(1); }}, DType::kFloat32).run();
  Sweep({"cpu, three threads", [] { return make_cpu_backend(3); }}, DType::kBFloat16).run();
  return finish("out_of_memory_test");
}
