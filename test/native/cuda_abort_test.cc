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
    OpRun some(*backend, c), all(*whole, c);
    some.run();
    all.run();
    check(same_bits(some.output(), all.output()), "%s with top_k %d: parts of %d rows have other bits", op_name(c.op),
          head.top_k, kRowsAtOnce);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::cuda_backend_stops();
  mt::test::parts_change_no_bit();
  return mt::test::finish("cuda_abort_test");
}
