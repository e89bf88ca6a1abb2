// What ops share that multiply rows x [tokens, in] by a weight [out, in].
#pragma once
#include "op_run.h"

namespace mt::check {

class ProductRun : public OpRun {
 public:
  double flops() const override { return 2.0 * tokens() * weight_.rows() * (in_ + (case_.adapted ? case_.rank : 0)); }
  double memory_bytes() const override;

 protected:
  ProductRun(Backend& backend, const OpCase& c, DType rounding, int in, int out, MatrixKind kind);

  // The weight; after rotate(), the next copy of it.
  const Matrix& next_weight() { return *weight_.copies[turn_++ % weight_.copies.size()]; }
  // The bound of a product of row `row` and column `col`. The rounding error of a sum of products a b grows as a random
  // walk, to about 0.7 * 2^-24 * |a| |b| for each result. A factor of 8 is more than five times that for both together.
  double product(int row, int col) const { return 8 * kHalfUnit * row_norm(row) * weight_norm(col); }
  double widest_product(int row) const;
  double row_norm(int row) const { return norms().rows[row]; }
  double weight_norm(int col) const { return norms().weights[col]; }
  void add_copy() override;
  size_t copies() const override { return weight_.copies.size(); }

  const int in_;
  View x_, bias_;
  LowRank added_;

 private:
  struct Weight {
    std::vector<float> values;
    std::vector<std::unique_ptr<Matrix>> copies;
    int rows() const { return copies[0]->rows; }
  };
  struct Norms {
    std::vector<double> rows, weights;
  };
  // Those of the rows of [x z] and [w b]. Made when they are first asked for: only the reference needs them.
  const Norms& norms() const;

  std::vector<float> x_values_, z_values_, b_values_;
  Weight weight_;
  std::unique_ptr<Matrix> b_;
  mutable Norms norms_;
  size_t turn_ = 0;
};

double norm(const float* x, int n);

}  // namespace mt::check
