// Ops of the head that are cancelled midway, on the CUDA backend in the simulator, where a step is a launch. The rows
// are worked through in parts, which is tried too: their number changes no bit.
#include "aborted_heads.h"
#include "cuda_target.h"
#include "simulator/counters.h"

namespace mt::test {
namespace {

constexpr int kRows = 33, kVocab = 131, kRowsAtOnce = 16;

// Parts that the op polls before: those that score rows, then those that list the best tokens.
int parts_of(const HeadOp& head) {
  const int parts = (kRows + kRowsAtOnce - 1) / kRowsAtOnce;
  return head.top_k > 1 ? 2 * parts : parts;
}

std::unique_ptr<Backend> in_parts() { return MT_TARGET::make_backend(0, MT_TARGET::Tiling::kAuto, 0); }

void cuda_backend_stops() {
  int64_t start = 0;
  cancel_at_every_step(
      {"cuda", in_parts(),
       [&start](int n, std::function<void()> then) {
         start = host_device::counters().launches;
         host_device::call_before_launch(n, std::move(then));
       },
       [&start] { return static_cast<int>(host_device::counters().launches - start); },
       [](const HeadOp& head, int all) { return all / parts_of(head) - 1; }, [](const HeadOp&) { return false; }},
      kRows, kVocab);
}

void parts_change_no_bit() {
  for (const HeadOp& head : kHeadOps) {
    const OpCase c = case_of(head, kRows, kVocab);
    const auto backend = in_parts(), whole = MT_TARGET::make_backend(0);
    const auto some = (*head.kind)(*backend, c), all = (*head.kind)(*whole, c);
    some->run();
    all->run();
    check(same_bits(some->outputs(), all->outputs()), "%s with top_k %d: parts of %d rows have other bits",
          head.kind->name, head.top_k, kRowsAtOnce);
  }
}

// It polls before each of its three parts: only those that were queued before the cancelling one are done.
void losses_stop() {
  const auto backend = in_parts();
  const OpCase c = case_of({&head_loss}, kRows, kVocab);
  const auto launches = [] { return host_device::counters().launches; };
  const auto whole = head_loss(*backend, c);
  int64_t start = launches();
  whole->run();
  const int64_t all = launches() - start;
  const std::vector<Output> want = whole->outputs();
  constexpr int kParts = (kRows + kRowsAtOnce - 1) / kRowsAtOnce;
  CHECK_EQ(all % kParts, 0);
  for (int64_t n = 0; n < all; n++) {
    int32_t words[2] = {};
    const auto cut = head_loss(*backend, c), again = head_loss(*backend, c);
    start = launches();
    host_device::call_before_launch(static_cast<int>(n), [&words] { Control(words).cancel(); });
    const std::string error = code_of([&] { cut->run(Control(words)); });
    const int64_t part = n / (all / kParts);
    check(error == (part + 1 < kParts ? "ABORTED" : ""), "head_loss cancelled at launch %d of %d: \"%s\"",
          static_cast<int>(n), static_cast<int>(all), error.c_str());
    CHECK_EQ(launches() - start, (part + 1) * (all / kParts));
    again->run();
    check(same_bits(again->outputs(), want), "head_loss cancelled at launch %d: other bits afterwards",
          static_cast<int>(n));
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::cuda_backend_stops();
  mt::test::parts_change_no_bit();
  mt::test::losses_stop();
  return mt::test::finish("cuda_abort_test");
}
