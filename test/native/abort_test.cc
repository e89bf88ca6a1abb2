// Ops of the head that are cancelled midway, on the reference and on the CPU backend.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "aborted_heads.h"
#include "backend/cpu/cpu_backend.h"
#include "tiny_model.h"

namespace mt::test {
namespace {

// ---- the CPU backend: a step is a finished tile of the matrix product ----

const cpu::CpuKernels& plain_kernels = cpu::kernels_scalar();
std::mutex taking;
int steps = 0;
int step_of_call = 0;
std::function<void()> call;

// No other thread takes a step between this one and its call, however late the call comes.
void take_step() {
  const std::lock_guard lock(taking);
  if (steps++ == step_of_call && call) call();
}

// The ops hand each tile to one of these two, or to both.
cpu::CpuKernels counting_kernels() {
  cpu::CpuKernels kernels = plain_kernels;
  kernels.head_tile = [](const float* c, ptrdiff_t ldc, int rows, int cols, int first, cpu::HeadPartial* partials) {
    take_step();
    plain_kernels.head_tile(c, ldc, rows, cols, first, partials);
  };
  kernels.copy_tile = [](const float* c, ptrdiff_t ldc, int rows, int cols, float* x, ptrdiff_t ldx) {
    take_step();
    plain_kernels.copy_tile(c, ldc, rows, cols, x, ldx);
  };
  return kernels;
}

void cpu_backend_stops() {
  static const cpu::CpuKernels kernels = counting_kernels();
  for (const int threads : {1, 2})
    cancel_at_every_step({"cpu, " + std::to_string(threads) + " threads", cpu::make_backend(kernels, threads),
                          [](int n, std::function<void()> then) {
                            steps = 0;
                            step_of_call = n;
                            call = std::move(then);
                          },
                          [] { return steps; },
                          // The tiles that threads have begun, which for top_k above 1 are two steps each.
                          [threads](const HeadOp& head, int) { return head.top_k > 1 ? 2 * threads - 1 : threads - 1; },
                          // Scores and choices follow from the finished logits, row by row.
                          [](const HeadOp& head) { return head.kind != &head_logits; }},
                         5, 2050);
}

// ---- the reference: a step is a row ----

// Memory that is to be had at two addresses.
template <class T>
class TwoViews {
 public:
  TwoViews() : file_(std::string(kBytes, '\0')) {
    const int file = open(file_.path().c_str(), O_RDWR);
    for (void*& view : views_) view = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    check(views_[0] != MAP_FAILED && views_[1] != MAP_FAILED, "a file cannot be mapped");
  }
  ~TwoViews() {
    for (void* view : views_) munmap(view, kBytes);
  }
  TwoViews(const TwoViews&) = delete;
  T* first() const { return static_cast<T*>(views_[0]); }
  int32_t* second() const { return static_cast<int32_t*>(views_[1]); }
  void clear() const { std::memset(views_[0], 0, kBytes); }
  static constexpr size_t kBytes = 64 << 10;

 private:
  TemporaryFile file_;
  void* views_[2];
};

// Calls op(control, result) with a control that the op's own result cancels: its first word lies where the result of
// row `row` does, and is 0 until that is written. `width` is of a row of the result, whose first value is not 0.
template <class T, class Call>
void cancel_by_result(const char* name, int rows, int width, const Call& op) {
  const TwoViews<T> result;
  op(Control(), result.first());
  const std::vector<T> want(result.first(), result.first() + size_t(rows) * width);
  for (int row = 0; row < rows; row++) {
    result.clear();
    const std::string error = code_of([&] { op(Control(result.second() + size_t(row) * width), result.first()); });
    check(error == (row + 1 < rows ? "ABORTED" : ""), "reference, %s: cancelled by row %d of %d, its error is \"%s\"",
          name, row, rows, error.c_str());
    for (int r = 0; r < rows; r++)
      check((result.first()[size_t(r) * width] != 0) == (r <= row), "reference, %s: cancelled by row %d, row %d", name,
            row, r);
    op(Control(), result.first());
    check(std::memcmp(result.first(), want.data(), want.size() * sizeof(T)) == 0,
          "reference, %s: after row %d has cancelled it, other bits", name, row);
  }
}

void reference_stops() {
  constexpr int kRows = 5, kDim = 17, kVocab = 333, kTop = 3;
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const HeadShape shape = {1, 1, 2};
  std::mt19937 random(1);
  std::uniform_real_distribution<float> positive(0.1f, 1), any(-1, 1);
  std::vector<float> h(kRows * kDim), weights(kVocab * kDim);
  for (float& f : h) f = positive(random);
  for (float& f : weights) f = any(random);
  // The logit of token 0 is negative: it is not 0, and no row's best.
  std::fill_n(weights.begin(), kDim, -1.0f);
  const auto memory =
      backend->allocate(backend->matrix_bytes(kVocab, kDim, MatrixKind::kPlain, shape, DType::kFloat32));
  const auto w = backend->create_matrix(kVocab, kDim, MatrixKind::kPlain, shape, DType::kFloat32, memory->data());
  backend->write_rows(*w, 0, kVocab, weights.data());
  backend->finish_rows();
  const View rows = {h.data(), kRows, kDim, DType::kFloat32};

  const std::vector<int32_t> targets(kRows, 7);
  std::vector<float> log_prob(kRows), top_log_prob(kRows * kTop);
  std::vector<int32_t> top_ids(kRows * kTop);
  cancel_by_result<int32_t>("head_score", kRows, 1, [&](const Control& control, int32_t* argmax) {
    backend->head_score(rows, *w, targets, kTop, {log_prob, {argmax, kRows}, top_ids, top_log_prob}, control);
  });
  const std::vector<Draw> draws(kRows, {{.temperature = 0.8f, .top_k = 1}, 1});
  cancel_by_result<int32_t>("head_sample", kRows, 1, [&](const Control& control, int32_t* ids) {
    backend->head_sample(rows, *w, draws, {}, {ids, kRows}, log_prob, control);
  });
  cancel_by_result<float>("head_logits", kRows, kVocab, [&](const Control& control, float* logits) {
    backend->head_logits(rows, *w, logits, control);
  });
}

}  // namespace
}  // namespace mt::test

int main() {
  mt::test::cpu_backend_stops();
  mt::test::reference_stops();
  return mt::test::finish("abort_test");
}
