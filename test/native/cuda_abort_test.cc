// Ops of the head that are cancelled midway, on the CUDA backend in the simulator, where a step is a launch. The rows
// are worked through in parts, which is tried too: their number changes no bit.
#include "aborted_heads.h"
#include "cuda_target.h"
#include "random.h"
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

// The loss of the head and its gradients, as bits.
struct Losses {
  double loss = 0;
  std::vector<float> dh, dw;
};

class HeadLossRun {
 public:
  explicit HeadLossRun(Backend& backend) : backend_(backend) {
    w_ = matrix(kVocab, kDim);
    w_t_ = matrix(kDim, kVocab);
    const std::vector<float> values = random(size_t(kVocab) * kDim, 1, 1);
    backend.write_rows(*w_, 0, kVocab, values.data());
    backend.finish_rows();
    backend.backward()->transpose(*w_, *w_t_);
    h_ = view(kRows, kDim);
    dh_ = view(kRows, kDim);
    dw_ = view(kVocab, kDim);
    const std::vector<float> h = random(size_t(kRows) * kDim, 2, 1);
    backend.upload(h_.data, h.data(), h.size() * sizeof(float));
  }

  Losses run(const Control& control) {
    BackwardOps& ops = *backend_.backward();
    ops.fill_zero(dw_);
    const std::vector<int32_t> targets(kRows, 7);
    const std::vector<float> weights(kRows, 0.5f);
    const HeadLoss loss = ops.head_loss(h_, *w_, *w_t_, targets, weights, dh_, dw_, control);
    return {loss.loss, read(dh_), read(dw_)};
  }

 private:
  static constexpr int kDim = 17;

  void* memory(size_t bytes) {
    buffers_.push_back(backend_.allocate(bytes));
    return buffers_.back()->data();
  }
  View view(int rows, int cols) { return {memory(size_t(rows) * cols * sizeof(float)), rows, cols, DType::kFloat32}; }
  std::unique_ptr<Matrix> matrix(int rows, int cols) {
    const HeadShape heads = {1, 1, 2};
    const size_t bytes = backend_.matrix_bytes(rows, cols, MatrixKind::kPlain, heads, DType::kFloat32);
    return backend_.create_matrix(rows, cols, MatrixKind::kPlain, heads, DType::kFloat32, memory(bytes));
  }
  std::vector<float> read(View x) {
    std::vector<float> values(size_t(x.rows) * x.cols);
    backend_.download(values.data(), x.data, values.size() * sizeof(float));
    return values;
  }

  Backend& backend_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::unique_ptr<Matrix> w_, w_t_;
  View h_, dh_, dw_;
};

// It polls before each of its three parts: only those that were queued before the cancelling one are done.
void losses_stop() {
  const auto backend = in_parts();
  HeadLossRun run(*backend);
  int64_t start = host_device::counters().launches;
  const auto taken = [&start] { return host_device::counters().launches - start; };
  const Losses want = run.run(Control());
  const int64_t all = taken();
  constexpr int kParts = (kRows + kRowsAtOnce - 1) / kRowsAtOnce;
  CHECK_EQ(all % kParts, 0);
  for (int64_t n = 0; n < all; n++) {
    int32_t words[2] = {};
    start = host_device::counters().launches;
    host_device::call_before_launch(static_cast<int>(n), [&words] { Control(words).cancel(); });
    const std::string error = code_of([&] { run.run(Control(words)); });
    const int64_t part = n / (all / kParts);
    check(error == (part + 1 < kParts ? "ABORTED" : ""), "head_loss cancelled at launch %d of %d: \"%s\"",
          static_cast<int>(n), static_cast<int>(all), error.c_str());
    CHECK_EQ(taken(), (part + 1) * (all / kParts));
    const Losses again = run.run(Control());
    check(again.loss == want.loss && same_bits(again.dh, want.dh) && same_bits(again.dw, want.dw),
          "head_loss cancelled at launch %d: other bits afterwards", static_cast<int>(n));
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
