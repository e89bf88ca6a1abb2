// The launchers of the matrix products: sums are right, and the bits of a row do not depend on its place or on the
// number of rows, of which all that select another tile are tried (1, as many as a tile has, one more). It is built
// twice (cuda_target.h): on a GPU it runs the sizes of real models.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "backend/cuda/ops/ops.h"
#include "check.h"
#include "cuda_memory.h"
#include "cuda_target.h"
#include "random.h"
#include "sanitizer.h"

namespace mt::test {
namespace {

using namespace MT_TARGET;

struct Shape {
  int n, k;      // n is a multiple of 3 head_dim
  int head_dim;  // is a multiple of 16
};

using Floats = std::vector<float>;

// A product of [rows, k] with [n, k]. Every launcher can compute it for any range of rows.
template <class T>
class Product {
 public:
  Product(Device& device, Shape shape, int rows)
      : device_(device),
        shape_(shape),
        rows_(rows),
        stride_((shape.k + Vec16<T>::kCount - 1) / Vec16<T>::kCount * Vec16<T>::kCount),
        a_values_(random(size_t(rows) * shape.k, 1, 1, dtype_of<T>())),
        b_values_(random(size_t(shape.n) * shape.k, 2, 1, dtype_of<T>())),
        start_(random(size_t(rows) * shape.n, 3, 1)),
        a_(device, padded(a_values_, rows)),
        b_(device, padded(b_values_, shape.n)),
        bias_(device, random(shape.n, 4, 1)),
        cos_(device, random(size_t(rows) * shape.head_dim / 2, 5, 1)),
        sin_(device, random(size_t(rows) * shape.head_dim / 2, 6, 1)),
        pos_(device, counted(rows, 5, rows)),
        targets_(device, counted(rows, 13, shape.n)) {}

  // The result of each launcher for rows [first, first + count), row by row.
  Floats linear_add(int first, int count) {
    const auto from = start_.begin() + size_t(first) * shape_.n;
    Placed<float> x(device_, Floats(from, from + size_t(count) * shape_.n));
    MT_TARGET::linear_add(device_, operands(first, count), bias_.data(), x.data());
    return x.read();
  }
  Floats swiglu(int first, int count) {
    Placed<T> f(device_, size_t(count) * shape_.n / 2);
    MT_TARGET::swiglu(device_, operands(first, count), bias_.data(), shape_.n / 2, f.data());
    return widen(f.read());
  }
  Floats qkv(int first, int count) {
    const int third = shape_.n / 3, heads = third / shape_.head_dim;
    const RopeArguments rope = {pos_.data() + first, cos_.data(), sin_.data(), heads, heads, shape_.head_dim};
    Placed<float> q(device_, size_t(count) * third), k(device_, size_t(count) * third),
        v(device_, size_t(count) * third);
    MT_TARGET::qkv(device_, operands(first, count), bias_.data(), rope, q.data(), k.data(), v.data());
    Floats rows;
    const Floats parts[] = {q.read(), k.read(), v.read()};
    for (int r = 0; r < count; r++)
      for (const Floats& part : parts)
        rows.insert(rows.end(), part.begin() + size_t(r) * third, part.begin() + size_t(r + 1) * third);
    return rows;
  }
  Floats head_partials(int first, int count) {
    const int per_row = head_partials_per_row(shape_.n);
    Placed<HeadPartial> partials(device_, size_t(count) * per_row);
    Placed<float> target_logits(device_, count);
    MT_TARGET::head_partials(device_, operands(first, count), targets_.data() + first, partials.data(),
                             target_logits.data());
    const std::vector<HeadPartial> all = partials.read();
    const Floats logits = target_logits.read();
    Floats rows;
    for (int r = 0; r < count; r++) {
      for (int i = 0; i < per_row; i++) {
        const HeadPartial& p = all[size_t(r) * per_row + i];
        rows.insert(rows.end(), {p.largest, p.sum, static_cast<float>(p.argmax)});
      }
      rows.push_back(logits[r]);
    }
    return rows;
  }
  Floats stored(int first, int count) {
    Placed<float> logits(device_, size_t(count) * shape_.n);
    MT_TARGET::product(device_, operands(first, count), {logits.data(), shape_.n, nullptr, {}, false});
    return logits.read();
  }

  double exact(int row, int col) const {
    double sum = 0;
    for (int i = 0; i < shape_.k; i++)
      sum += double{a_values_[size_t(row) * shape_.k + i]} * b_values_[size_t(col) * shape_.k + i];
    return sum;
  }

 private:
  static std::vector<int32_t> counted(int count, int step, int end) {
    std::vector<int32_t> ids(count);
    for (int i = 0; i < count; i++) ids[i] = static_cast<int32_t>(int64_t{i} * step % end);
    return ids;
  }
  // The values in rows that are `stride_` elements apart. The gaps hold NaNs.
  std::vector<T> padded(const Floats& values, int rows) const {
    if (stride_ == shape_.k) return narrow<T>(values);
    Floats wide(rows * stride_, NAN);
    for (int r = 0; r < rows; r++)
      std::copy_n(values.begin() + size_t(r) * shape_.k, shape_.k, wide.begin() + r * stride_);
    return narrow<T>(wide);
  }
  GemmOperands<T> operands(int first, int count) const {
    return {a_.data() + first * stride_, b_.data(), count, shape_.n, shape_.k, stride_, Tiling::kAuto};
  }

  Device& device_;
  Shape shape_;
  int rows_;
  int64_t stride_;
  Floats a_values_, b_values_, start_;
  Placed<T> a_, b_;
  Placed<float> bias_, cos_, sin_;
  Placed<int32_t> pos_, targets_;
};

template <class T>
void test_sums(const char* name, Shape s, int rows, const Product<T>& product, const Floats& logits) {
  // |a|, |b| <= 1. In a step of 16 products a tensor core drops the bits below the last place of the sum so far.
  const double bound = s.k * 0x1p-20;
  Random random(7);
  for (int i = 0; i < 500; i++) {
    const int row = static_cast<int>(random.next() % unsigned(rows)),
              col = static_cast<int>(random.next() % unsigned(s.n));
    const double got = logits[size_t(row) * s.n + col], want = product.exact(row, col);
    check(std::fabs(got - want) <= bound, "%s %d x %d x %d: logit [%d, %d] = %.9g, want %.9g", name, rows, s.n, s.k,
          row, col, got, want);
  }
}

template <class T>
void test_product(Device& device, Shape s, const std::vector<int>& counts) {
  const std::string name(dtype_name(dtype_of<T>()));
  const int rows = counts.back();
  Product<T> product(device, s, rows);
  using Run = Floats (Product<T>::*)(int, int);
  const struct {
    const char* name;
    Run run;
  } launchers[] = {{"linear_add", &Product<T>::linear_add},
                   {"swiglu", &Product<T>::swiglu},
                   {"qkv", &Product<T>::qkv},
                   {"head_partials", &Product<T>::head_partials},
                   {"product", &Product<T>::stored}};
  for (const auto& launcher : launchers) {
    const Floats all = (product.*launcher.run)(0, rows);
    const size_t width = all.size() / rows;
    for (const int count : counts)
      for (const int first : {0, std::min(3, rows - count), rows - count}) {
        const Floats some = (product.*launcher.run)(first, count);
        check(some.size() == count * width &&
                  std::memcmp(some.data(), &all[first * width], some.size() * sizeof(float)) == 0,
              "%s %s n %d k %d: rows %d + %d alone have other bits than among %d", launcher.name, name.c_str(), s.n,
              s.k, first, count, rows);
      }
  }
  test_sums(name.c_str(), s, rows, product, product.stored(0, rows));
}

// With `halves`, only bf16 and f16 are tested, not float32.
void test_all(Device& device, bool halves) {
  const std::vector<int> counts =
      kSanitized ? std::vector<int>{1, 17, 65} : std::vector<int>{1, 16, 17, 64, 65, 128, 129};
  std::vector<int> more = counts;
  more.push_back(512);
  const std::vector<Shape> few = {{192, 72, 16}}, small = {{192, 72, 16}, {384, 201, 64}},
                           real = {
                               {192, 72, 16}, {384, 201, 64}, {3072, 1024, 64}, {12288, 4096, 128}, {4224, 11008, 64}};
  const std::vector<Shape>& shapes = kFibers ? few : reduced() ? small : real;
  for (const Shape shape : shapes) {
    const std::vector<int>& own = kFibers || reduced() ? counts : more;
    if (!halves) test_product<float>(device, shape, own);
    test_product<bf16>(device, shape, own);
    test_product<f16>(device, shape, own);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  Device device(0);
  test_all(device, false);
  if (kFibers) {  // the kernels for Hopper, which exist for bf16 and f16
    pretend_capability(9);
    Device hopper(0);
    test_all(hopper, true);
  }
  return finish("cuda_product_test");
}
