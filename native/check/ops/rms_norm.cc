#include <cmath>

#include "../ops.h"

namespace mt::check {
namespace {

class RmsNorm final : public OpRun {
 public:
  RmsNorm(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_rows(tokens(), c.shape.dim)),
        w_(random_rows(1, c.shape.dim, 2)),
        y_(empty(tokens(), c.shape.dim, activation_)) {}
  void run(const Control&) override { backend_.rms_norm(x_, w_, kNormEps, y_); }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double bytes() const override { return bytes_of(x_) + bytes_of(y_); }

 private:
  double bound(const Element& e) const override {
    return rounding(e.want) + 4 * kHalfUnit * std::sqrt(x_.cols) * e.want;
  }

  View x_, w_, y_;
};

class RmsNormBackward final : public OpRun {
 public:
  RmsNormBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_rows(tokens(), c.shape.dim)),
        w_(random_rows(1, c.shape.dim, 2)),
        dy_(random_rows(tokens(), c.shape.dim)),
        dx_(random_rows(tokens(), c.shape.dim)),
        dw_(random_rows(1, c.shape.dim)) {}
  void run(const Control&) override { backend_.backward()->rms_norm_backward(x_, w_, kNormEps, dy_, dx_, dw_); }
  std::vector<Output> outputs() override { return {output("dx", dx_), output("dw", dw_)}; }
  double bytes() const override { return bytes_of(x_) + bytes_of(dy_) + 2 * bytes_of(dx_); }

 private:
  View x_, w_, dy_, dx_, dw_;
};

}  // namespace

const OpKind rms_norm = {"rms_norm", make_run<RmsNorm>, false, 4};
const OpKind rms_norm_backward = {"rms_norm_backward", make_run<RmsNormBackward>};

}  // namespace mt::check
