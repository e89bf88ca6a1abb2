#include "../ops.h"

namespace mt::check {
namespace {

class GatherRows final : public OpRun {
 public:
  GatherRows(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding), x_(random_rows(tokens(), c.shape.dim)), y_(empty(tokens(), c.shape.dim)) {}
  void run(const Control&) override { backend_.gather_rows(*placed_, x_, y_); }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double bytes() const override { return bytes_of(x_) + bytes_of(y_); }

 private:
  double bound(const Element&) const override { return 0; }

  View x_, y_;
};

class ScatterRows final : public OpRun {
 public:
  ScatterRows(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding), dy_(random_rows(tokens(), c.shape.dim)), dx_(random_rows(tokens(), c.shape.dim)) {}
  void run(const Control&) override { backend_.backward()->scatter_rows(*placed_, dy_, dx_); }
  std::vector<Output> outputs() override { return {output("dx", dx_)}; }
  double bytes() const override { return bytes_of(dy_) + 2 * bytes_of(dx_); }

 private:
  View dy_, dx_;
};

}  // namespace

const OpKind gather_rows = {"gather_rows", make_run<GatherRows>};
const OpKind scatter_rows = {"scatter_rows", make_run<ScatterRows>};

}  // namespace mt::check
