// The matrix product of the CUDA backend in the simulator, with the kernels for Hopper too: sums are right, their bits
// do not depend on the tile, the number of rows or the order of threads, and there are no bank conflicts.
// cuda_op_test.cc runs the cases of op_test.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "backend/cuda/device/device.cuh"
#include "backend/cuda/ops/ops.h"
#include "base/error.h"
#include "check.h"
#include "random.h"
#include "sanitizer.h"
#include "simulator/fibers.h"

namespace mt::host_device {
namespace {

using test::check;
using test::random;

constexpr Tiling kTilings[] = {Tiling::kSmall, Tiling::kMiddle, Tiling::kLarge};
constexpr const char* kTilingNames[] = {"auto", "small", "middle", "large"};

// Device memory that holds `values` rounded to T, in rows that are `stride` elements apart. The gaps hold NaNs.
template <class T>
std::unique_ptr<DeviceMemory> place(Device& device, const std::vector<float>& values, int rows, int cols,
                                    int64_t stride) {
  auto memory = std::make_unique<DeviceMemory>(device, rows * stride * sizeof(T));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < cols; c++)
      static_cast<T*>(memory->data())[r * stride + c] = from_float<T>(values[size_t(r) * cols + c]);
  return memory;
}

struct Shape {
  int m, n, k;
};

// Runs one product with all epilogues, one after another: residual add [m, n], logits [m, n], SwiGLU [m, n / 2],
// qkv [m, n], head partials.
template <class T>
class Product {
 public:
  Product(Device& device, Shape shape) : device_(device), s_(shape) {
    constexpr int kChunk = 16 / sizeof(T);
    stride_ = (s_.k + kChunk - 1) / kChunk * kChunk;
    const DType dtype = sizeof(T) == 4 ? DType::kFloat32 : std::is_same_v<T, bf16> ? DType::kBFloat16 : DType::kFloat16;
    a_values = random(size_t(s_.m) * s_.k, 1, 1, dtype);
    b_values = random(size_t(s_.n) * s_.k, 2, 1, dtype);
    bias_ = random(s_.n, 3, 1);
    start = random(size_t(s_.m) * s_.n, 4, 1);
    a_ = place<T>(device, a_values, s_.m, s_.k, stride_);
    b_ = place<T>(device, b_values, s_.n, s_.k, stride_);
    for (int i = 0; i < s_.m; i++) {
      pos_.push_back(i % 7);
      targets_.push_back(i * 13 % s_.n);
    }
    angles_ = random(7 * 8, 5, 1);
  }

  // Runs it on rows first .. first + rows - 1 alone.
  std::vector<float> run(Tiling tiling, int first, int rows) {
    const T* a = static_cast<const T*>(a_->data()) + first * stride_;
    const GemmOperands<T> g = {a, static_cast<const T*>(b_->data()), rows, s_.n, s_.k, stride_, tiling};
    const size_t size = size_t(rows) * s_.n;
    std::vector<float> sum(start.begin() + size_t(first) * s_.n, start.begin() + size_t(first) * s_.n + size);
    linear_add(device_, g, bias_.data(), sum.data());
    std::vector<float> logits(size, NAN);
    product(device_, g, {logits.data(), s_.n, nullptr, {}, false});
    std::vector<T> f(size / 2);
    swiglu(device_, g, bias_.data(), s_.n / 2, f.data());
    std::vector<float> q(size / 2, NAN), k(size / 4, NAN), v(size / 4, NAN);
    const RopeArguments rope = {pos_.data() + first, angles_.data(), angles_.data(), s_.n / 32, s_.n / 64, 16};
    qkv(device_, g, bias_.data(), rope, q.data(), k.data(), v.data());
    const int per_row = head_partials_per_row(s_.n);
    std::vector<HeadPartial> partials(size_t(rows) * per_row, {NAN, NAN, -1});
    std::vector<float> target_logits(rows, NAN);
    head_partials(device_, g, targets_.data() + first, partials.data(), target_logits.data());

    std::vector<float> all;  // the outputs of all epilogues for the first row, then for the second, and so on
    for (int r = 0; r < rows; r++) {
      const auto add = [&](const std::vector<float>& x) {
        const size_t width = x.size() / rows;
        all.insert(all.end(), x.begin() + r * width, x.begin() + (r + 1) * width);
      };
      add(sum);
      add(logits);
      for (int i = 0; i < s_.n / 2; i++) all.push_back(to_float(f[size_t(r) * (s_.n / 2) + i]));
      for (const auto* x : {&q, &k, &v}) add(*x);
      for (int i = 0; i < per_row; i++) {
        const HeadPartial& p = partials[size_t(r) * per_row + i];
        all.insert(all.end(), {p.largest, p.sum, static_cast<float>(p.argmax)});
      }
      all.push_back(target_logits[r]);
    }
    return all;
  }

  double exact(int row, int col) const {
    double sum = 0;
    for (int i = 0; i < s_.k; i++) sum += double{a_values[size_t(row) * s_.k + i]} * b_values[size_t(col) * s_.k + i];
    return sum;
  }
  double bias(int col) const { return bias_[col]; }
  int target(int row) const { return targets_[row]; }

  std::vector<float> a_values, b_values, start;

 private:
  Device& device_;
  Shape s_;
  int64_t stride_;
  std::unique_ptr<DeviceMemory> a_, b_;
  std::vector<float> bias_, angles_;
  std::vector<int32_t> pos_, targets_;
};

template <class T>
void test_sums(Device& device, const char* name, Shape s) {
  Product<T> product(device, s);
  const std::vector<float> got = product.run(Tiling::kAuto, 0, s.m);
  const size_t width = got.size() / s.m;
  const double bound = s.k * 0x1p-22;  // |a|, |b| <= 1
  for (int r = 0; r < s.m; r++) {
    const float* row = &got[r * width];
    for (int c = 0; c < s.n; c++) {
      const double want = product.exact(r, c);
      const double sum = product.start[size_t(r) * s.n + c] + want + product.bias(c);
      check(std::fabs(row[c] - sum) <= bound, "%s %d x %d x %d: sum [%d, %d] = %.9g, want %.9g", name, s.m, s.n, s.k, r,
            c, row[c], sum);
      check(std::fabs(row[s.n + c] - want) <= bound, "%s %d x %d x %d: logit [%d, %d] = %.9g, want %.9g", name, s.m,
            s.n, s.k, r, c, row[s.n + c], want);
    }
    check(row[width - 1] == row[s.n + product.target(r)], "%s: target logit of row %d = %.9g", name, r, row[width - 1]);
    for (int p = 0; p < head_partials_per_row(s.n); p++) {
      const float* partial = &row[width - 1 - 3 * (head_partials_per_row(s.n) - p)];
      const float* logits = &row[s.n];
      const int first = p * kHeadColumns, end = std::min(s.n, first + kHeadColumns);
      const float* best = std::max_element(logits + first, logits + end);
      double sum = 0;
      for (int c = first; c < end; c++) sum += std::exp(double{logits[c]} - *best);
      check(partial[0] == *best && partial[2] == best - logits && std::fabs(partial[1] - sum) < 1e-5 * sum,
            "%s: partial %d of row %d = (%.9g, %.9g, %g), want (%.9g, %.9g, %d)", name, p, r, partial[0], partial[1],
            partial[2], *best, sum, int(best - logits));
    }
  }
}

template <class T>
void test_bits(Device& device, const char* name, Shape s) {
  Product<T> product(device, s);
  const int64_t conflicts = ldmatrix_conflicts();
  const std::vector<float> want = product.run(Tiling::kLarge, 0, s.m);
  const size_t width = want.size() / s.m;
  for (const Schedule schedule : {Schedule::kForward, Schedule::kBackward}) {
    if (test::kSanitized && schedule == Schedule::kForward) continue;
    set_schedule(schedule);
    for (const Tiling tiling : kTilings) {
      for (const auto& [first, rows] : {std::pair{0, s.m}, {s.m - 1, 1}, {1, s.m / 2}}) {
        const std::vector<float> got = product.run(tiling, first, rows);
        check(got.size() == rows * width && std::memcmp(got.data(), &want[first * width], got.size() * 4) == 0,
              "%s %d x %d x %d: rows %d + %d in the %s tile, threads %s: other bits than all rows in the large tile",
              name, s.m, s.n, s.k, first, rows, kTilingNames[static_cast<int>(tiling)],
              schedule == Schedule::kForward ? "forward" : "backward");
      }
    }
  }
  set_schedule(Schedule::kForward);
  CHECK_EQ(ldmatrix_conflicts(), conflicts);
}

template <class T>
void test_type(Device& device, const char* name) {
  for (const Shape s : {Shape{1, 64, 32}, {3, 64, 17}, {21, 192, 48}, {70, 64, 33}, {17, 128, 100}, {5, 64, 1}})
    test_sums<T>(device, name, s);
  test_bits<T>(device, name, {35, 192, 200});
  test_bits<T>(device, name, {130, 64, 47});
}

// A thread may begin with a product on a device that another thread has made.
void test_new_thread(Device& device) {
  Product<bf16> product(device, {3, 64, 17});
  std::string error;
  std::thread([&] {
    set_compute_capability(9);
    try {
      product.run(Tiling::kSmall, 0, 3);
    } catch (const Error& e) {
      error = e.what();
    }
  }).join();
  check(error.empty(), "a product in a new thread: %s", error.c_str());
}

}  // namespace
}  // namespace mt::host_device

int main() {
  using namespace mt::host_device;
  Device device(0);
  test_type<float>(device, "float32");
  test_type<bf16>(device, "bfloat16");
  if (!mt::test::kSanitized) test_type<f16>(device, "float16");  // the code is that of bfloat16
  set_compute_capability(9);
  Device hopper(0);
  test_type<bf16>(hopper, "bfloat16 on Hopper");
  test_sums<f16>(hopper, "float16 on Hopper", {21, 192, 48});
  test_bits<f16>(hopper, "float16 on Hopper", {35, 192, 200});
  test_bits<bf16>(hopper, "bfloat16 on Hopper", {130, 320, 328});  // a block has several tiles: the ring goes round
  test_new_thread(hopper);
  return mt::test::finish("cuda_gemm_test");
}
