// Rows and weight of an op that multiplies them, and the bound of their product.
#include "product_run.h"

#include <algorithm>
#include <cmath>

#include "random.h"

namespace mt::check {
namespace {

// Those of x [rows, cols] with y [rows, more], which may be empty, beside it.
std::vector<double> row_norms(const std::vector<float>& x, int cols, const std::vector<float>& y, int more) {
  std::vector<double> norms;
  for (size_t r = 0; r * cols < x.size(); r++) {
    const double own = norm(&x[r * cols], cols), beside = y.empty() ? 0 : norm(&y[r * more], more);
    norms.push_back(std::sqrt(own * own + beside * beside));
  }
  return norms;
}

}  // namespace

ProductRun::ProductRun(Backend& backend, const OpCase& c, DType rounding, int in, int out, MatrixKind kind)
    : OpRun(backend, c, rounding), in_(in) {
  x_values_ = random(size_t(tokens()) * in, 1, 1, rounding);
  x_ = put(x_values_, in, activation_);
  weight_.values = random(size_t(out) * in, 2, 1);
  weight_.copies.push_back(matrix(weight_.values.data(), out, in, kind));
  for (float& f : weight_.values) f = round_to(f, c.dtype);
  if (c.bias) bias_ = put(random(out, 6, 1), out);
  if (!c.adapted) return;
  z_values_ = random(size_t(tokens()) * c.rank, 9, 1, rounding);
  b_values_ = random(size_t(out) * c.rank, 10, 1, c.dtype);
  b_ = matrix(b_values_.data(), out, c.rank, kind);
  added_ = {put(z_values_, c.rank, activation_), b_.get()};
}

double ProductRun::memory_bytes() const { return double(weight_.rows()) * in_ * dtype_size(case_.dtype); }

void ProductRun::add_copy() {
  weight_.copies.push_back(matrix(weight_.values.data(), weight_.rows(), in_, weight_.copies[0]->kind));
}

double ProductRun::widest_product(int row) const {
  return 8 * kHalfUnit * row_norm(row) * *std::max_element(norms().weights.begin(), norms().weights.end());
}

const ProductRun::Norms& ProductRun::norms() const {
  if (norms_.rows.empty()) {
    norms_.rows = row_norms(x_values_, in_, z_values_, case_.rank);
    norms_.weights = row_norms(weight_.values, in_, b_values_, case_.rank);
  }
  return norms_;
}

double norm(const float* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

}  // namespace mt::check
