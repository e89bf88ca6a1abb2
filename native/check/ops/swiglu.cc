#include <algorithm>
#include <cmath>

#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

class Swiglu final : public ProductRun {
 public:
  Swiglu(Backend& backend, const OpCase& c, DType rounding)
      : ProductRun(backend, c, rounding, c.shape.dim, 2 * c.shape.ffn, MatrixKind::kGateUp),
        f_(empty(tokens(), c.shape.ffn, activation_)) {}
  void run(const Control&) override { backend_.swiglu(x_, next_weight(), bias_, f_, added_); }
  std::vector<Output> outputs() override { return {output("f", f_)}; }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + bytes_of(f_); }

 private:
  double bound(const Element& e) const override {
    const int up_col = f_.cols + e.col;
    const double gate = product(e.row, e.col), up = product(e.row, up_col);
    const double size = weight_norm(e.col) * row_norm(e.row) + 1;  // a bound of |gate|
    const double value = weight_norm(up_col) * row_norm(e.row) + 1;
    return rounding(e.want) + 1.1 * gate * std::min(value, 6 * value / std::sqrt(in_) + 1) + size * up +
           16 * kHalfUnit * e.want;
  }

  View f_;
};

// After a forward pass that keeps gate and up, to which adapters add.
class SwigluBackward final : public OpRun {
 public:
  SwigluBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        gate_up_(empty(tokens(), 2 * c.shape.ffn)),
        forward_(empty(tokens(), c.shape.ffn, activation_)),
        dy_(random_activations(tokens(), c.shape.dim)),
        dz_(random_activations(tokens(), c.rank)),
        f_(empty(tokens(), c.shape.ffn, activation_)),
        dgate_up_(empty(tokens(), 2 * c.shape.ffn, activation_)) {
    const int dim = c.shape.dim, out = 2 * c.shape.ffn;
    const std::vector<float> values = random(size_t(out) * dim, 5, 0.3f, c.dtype);
    const auto w = matrix(values.data(), out, dim, MatrixKind::kGateUp);
    const auto b = matrix(random(size_t(out) * c.rank, 6, 0.3f, c.dtype).data(), out, c.rank, MatrixKind::kGateUp);
    backend_.swiglu(random_activations(tokens(), dim), *w, random_rows(1, out), forward_,
                    {random_activations(tokens(), c.rank), b.get()}, gate_up_);
    backend_.wait();
    w_t_ = matrix(random(size_t(c.shape.ffn) * dim, 7, 0.3f, c.dtype).data(), c.shape.ffn, dim, MatrixKind::kPlain);
    a_t_ =
        matrix(random(size_t(c.shape.ffn) * c.rank, 8, 0.3f, c.dtype).data(), c.shape.ffn, c.rank, MatrixKind::kPlain);
  }
  void run(const Control&) override {
    backend_.backward()->swiglu_backward(dy_, *w_t_, gate_up_, f_, dgate_up_, {dz_, a_t_.get()});
  }
  std::vector<Output> outputs() override {
    return {output("gate_up", gate_up_), output("f of the forward pass", forward_), output("f", f_),
            output("dgate_up", dgate_up_)};
  }
  double flops() const override { return 2.0 * tokens() * f_.cols * (dy_.cols + case_.rank); }
  double bytes() const override {
    const double weights = double(f_.cols) * (dy_.cols + case_.rank) * dtype_size(case_.dtype);
    return weights + bytes_of(dy_) + bytes_of(dz_) + bytes_of(gate_up_) + bytes_of(f_) + bytes_of(dgate_up_);
  }

 private:
  View gate_up_, forward_, dy_, dz_, f_, dgate_up_;
  std::unique_ptr<Matrix> w_t_, a_t_;
};

}  // namespace

const OpKind swiglu = {"swiglu", make_run<Swiglu>, true, 4};
const OpKind swiglu_backward = {"swiglu_backward", make_run<SwigluBackward>};

}  // namespace mt::check
