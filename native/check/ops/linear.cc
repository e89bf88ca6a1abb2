#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

class LinearAdd : public ProductRun {
 public:
  LinearAdd(Backend& backend, const OpCase& c, DType rounding, int in)
      : ProductRun(backend, c, rounding, in, c.shape.dim, MatrixKind::kPlain),
        sum_(put(random(size_t(tokens()) * c.shape.dim, 5, 1), c.shape.dim)),
        y_(c.adapted ? empty(tokens(), c.shape.dim) : sum_) {}
  void run(const Control&) override { backend_.linear_add(x_, next_weight(), bias_, sum_, y_, added_); }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + bytes_of(y_); }

 private:
  double bound(const Element& e) const override { return product(e.row, e.col) + 8 * kHalfUnit * (e.want + 2); }

  View sum_, y_;  // the same, unless adapters add to them, as they do where a model is trained
};

// The projection of attention's output, and that of the feed-forward network.
struct OutProjection final : LinearAdd {
  OutProjection(Backend& backend, const OpCase& c, DType rounding)
      : LinearAdd(backend, c, rounding, c.shape.heads * c.shape.head_dim) {}
};
struct DownProjection final : LinearAdd {
  DownProjection(Backend& backend, const OpCase& c, DType rounding) : LinearAdd(backend, c, rounding, c.shape.ffn) {}
};

class LinearBackward final : public OpRun {
 public:
  LinearBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        dy_(random_activations(tokens(), c.shape.ffn)),
        a_(random_activations(tokens(), c.shape.dim)),
        dw_(random_rows(c.shape.ffn, c.shape.dim)),
        dbias_(random_rows(1, c.shape.ffn)) {}
  void run(const Control&) override { backend_.backward()->linear_backward(dy_, a_, dw_, dbias_); }
  std::vector<Output> outputs() override { return {output("dw", dw_), output("dbias", dbias_)}; }
  double flops() const override { return 2.0 * tokens() * dw_.rows * dw_.cols; }
  double bytes() const override { return bytes_of(dy_) + bytes_of(a_) + 2 * bytes_of(dw_); }

 private:
  View dy_, a_, dw_, dbias_;
};

// The gradients of an adapter's two matrices: dw has few columns, or few rows. The first is one map's of several.
class ThinBackward final : public OpRun {
 public:
  ThinBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        dy_(random_activations(tokens(), c.shape.ffn)),
        a_(random_activations(tokens(), c.shape.dim)),
        z_(random_activations(tokens(), c.rank + 3)),
        db_(random_rows(c.shape.ffn - 5, c.rank)),
        da_(random_rows(z_.cols, c.shape.dim)) {}
  void run(const Control&) override {
    backend_.backward()->linear_backward({dy_, 3, db_.rows}, {z_, 2, db_.cols}, db_, {});
    backend_.backward()->linear_backward(z_, a_, da_, {});
  }
  std::vector<Output> outputs() override { return {output("db", db_), output("da", da_)}; }
  double flops() const override { return 2.0 * tokens() * (double(db_.rows) * db_.cols + double(da_.rows) * da_.cols); }
  double bytes() const override {
    return bytes_of(dy_) + bytes_of(a_) + 2 * (bytes_of(z_) + bytes_of(da_) + bytes_of(db_));
  }

 private:
  View dy_, a_, z_, db_, da_;
};

// Products by an adapter's matrices: the thin one, and another one to which the adapter adds.
class AdapterProducts final : public OpRun {
 public:
  AdapterProducts(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_activations(tokens(), c.shape.dim)),
        dz_(random_activations(tokens(), c.rank)),
        z_(empty(tokens(), c.rank, activation_)),
        y_(empty(tokens(), c.shape.dim)),
        rounded_(empty(tokens(), c.shape.dim, activation_)),
        w_(matrix(nullptr, c.shape.dim, c.shape.dim, MatrixKind::kPlain)),
        a_(matrix(nullptr, c.rank, c.shape.dim, MatrixKind::kPlain)),
        a_t_(matrix(nullptr, c.shape.dim, c.rank, MatrixKind::kPlain)) {
    const View master = random_rows(c.rank, c.shape.dim);
    backend_.backward()->repack(*w_, random_rows(c.shape.dim, c.shape.dim));
    backend_.backward()->repack(*a_, master, 0.375f);
    backend_.backward()->repack_transposed(*a_t_, master, 1.5f);
  }
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.product(x_, *a_, z_);
    ops.product(x_, *w_, y_, {dz_, a_t_.get()});
    ops.product(x_, *w_, rounded_, {dz_, a_t_.get()});
  }
  std::vector<Output> outputs() override { return {output("z", z_), output("y", y_), output("rounded", rounded_)}; }
  double flops() const override { return 2.0 * tokens() * x_.cols * (3.0 * case_.rank + 2.0 * x_.cols); }
  double bytes() const override {
    const double weights = x_.cols * (x_.cols + 2.0 * case_.rank) * dtype_size(case_.dtype);
    return weights + bytes_of(x_) + bytes_of(dz_) + bytes_of(z_) + bytes_of(y_) + bytes_of(rounded_);
  }

 private:
  View x_, dz_, z_, y_, rounded_;
  std::unique_ptr<Matrix> w_, a_, a_t_;
};

}  // namespace

const OpKind linear_add_out = {"linear_add out", make_run<OutProjection>, true, 4};
const OpKind linear_add_down = {"linear_add down", make_run<DownProjection>, true, 4};
const OpKind linear_backward = {"linear_backward", make_run<LinearBackward>};
const OpKind thin_backward = {"linear_backward thin", make_run<ThinBackward>};
const OpKind adapter_products = {"product", make_run<AdapterProducts>};

}  // namespace mt::check
