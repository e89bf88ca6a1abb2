#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

class LinearAdd : public ProductRun {
 public:
  LinearAdd(Backend& backend, const OpCase& c, DType rounding, int in)
      : ProductRun(backend, c, rounding, in, c.shape.dim, MatrixKind::kPlain),
        y_(put(random(size_t(tokens()) * c.shape.dim, 5, 1), c.shape.dim)) {}
  void run(const Control&) override { backend_.linear_add(x_, next_weight(), bias_, y_); }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + bytes_of(y_); }

 private:
  double bound(const Element& e) const override { return product(e.row, e.col) + 8 * kHalfUnit * (e.want + 2); }

  View y_;
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

// The gradients of an adapter's two matrices: dw has few columns, or few rows.
class ThinBackward final : public OpRun {
 public:
  ThinBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        dy_(random_activations(tokens(), c.shape.ffn)),
        a_(random_activations(tokens(), c.shape.dim)),
        z_(random_activations(tokens(), c.rank)),
        db_(random_rows(c.shape.ffn, c.rank)),
        da_(random_rows(c.rank, c.shape.dim)) {}
  void run(const Control&) override {
    backend_.backward()->linear_backward(dy_, z_, db_, {});
    backend_.backward()->linear_backward(z_, a_, da_, {});
  }
  std::vector<Output> outputs() override { return {output("db", db_), output("da", da_)}; }
  double flops() const override { return 2.0 * tokens() * case_.rank * (dy_.cols + a_.cols); }
  double bytes() const override {
    return bytes_of(dy_) + bytes_of(a_) + 2 * (bytes_of(z_) + bytes_of(da_) + bytes_of(db_));
  }

 private:
  View dy_, a_, z_, db_, da_;
};

// Products by an adapter's matrices: into activations, added to columns within wider rows, and written over those.
class AdapterProducts final : public OpRun {
 public:
  AdapterProducts(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_activations(tokens(), c.shape.dim)),
        given_(random_activations(tokens(), c.rank)),
        z_(empty(tokens(), c.rank, activation_)),
        added_(random_rows(tokens(), kFirst + c.shape.dim + 2)),
        written_(random_rows(tokens(), kFirst + c.shape.dim + 2)),
        a_(matrix(nullptr, c.rank, c.shape.dim, MatrixKind::kPlain)),
        a_t_(matrix(nullptr, c.shape.dim, c.rank, MatrixKind::kPlain)) {
    const View master = random_rows(c.rank, c.shape.dim);
    backend_.backward()->repack(*a_, master, 0.375f);
    backend_.backward()->repack_transposed(*a_t_, master, 1.5f);
  }
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.product(x_, *a_, false, 0, z_);
    ops.product(given_, *a_t_, true, kFirst, added_);
    ops.product(given_, *a_t_, false, kFirst, written_);
  }
  std::vector<Output> outputs() override {
    return {output("z", z_), output("added to", added_), output("written over", written_)};
  }
  double flops() const override { return 2.0 * tokens() * case_.rank * x_.cols * 3; }
  double bytes() const override { return bytes_of(x_) + bytes_of(z_) + 2 * bytes_of(added_) + bytes_of(written_); }

 private:
  static constexpr int kFirst = 3;

  View x_, given_, z_, added_, written_;
  std::unique_ptr<Matrix> a_, a_t_;
};

}  // namespace

const OpKind linear_add_out = {"linear_add out", make_run<OutProjection>, true, 4};
const OpKind linear_add_down = {"linear_add down", make_run<DownProjection>, true, 4};
const OpKind linear_backward = {"linear_backward", make_run<LinearBackward>};
const OpKind thin_backward = {"linear_backward thin", make_run<ThinBackward>};
const OpKind adapter_products = {"product", make_run<AdapterProducts>};

}  // namespace mt::check
