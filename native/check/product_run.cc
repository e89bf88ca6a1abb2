// Rows and weight of an op that multiplies them, and the bound of their product.
#include "product_run.h"

#include <algorithm>
#include <cmath>

#include "random.h"

namespace mt::check {

ProductRun::ProductRun(Backend& backend, const OpCase& c, DType rounding, int in, int out, MatrixKind kind)
    : OpRun(backend, c, rounding), in_(in) {
  x_values_ = random(size_t(tokens()) * in, 1, 1, rounding);
  x_ = put(x_values_, in, activation_);
  weight_.values = random(size_t(out) * in, 2, 1);
  weight_.copies.push_back(matrix(weight_.values.data(), out, in, kind));
  for (float& f : weight_.values) f = round_to(f, c.dtype);
  if (c.bias) bias_ = put(random(out, 6, 1), out);
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
    for (size_t i = 0; i < x_values_.size(); i += in_) norms_.rows.push_back(norm(&x_values_[i], in_));
    for (size_t i = 0; i < weight_.values.size(); i += in_) norms_.weights.push_back(norm(&weight_.values[i], in_));
  }
  return norms_;
}

double norm(const float* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

}  // namespace mt::check
