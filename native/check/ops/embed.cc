#include "../ops.h"
#include "../random.h"

namespace mt::check {
namespace {

class Embed final : public OpRun {
 public:
  Embed(Backend& backend, const OpCase& c, DType rounding) : OpRun(backend, c, rounding) {
    const std::vector<float> values = random(size_t(c.shape.vocab) * c.shape.dim, 2, 1);
    table_ = matrix(values.data(), c.shape.vocab, c.shape.dim, MatrixKind::kPlain);
    y_ = empty(tokens(), c.shape.dim);
  }
  void run(const Control&) override { backend_.embed(*placed_, *table_, y_); }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double bytes() const override { return bytes_of(y_) + double(tokens()) * y_.cols * dtype_size(case_.dtype); }

 private:
  double bound(const Element&) const override { return 0; }

  std::unique_ptr<Matrix> table_;
  View y_;
};

class EmbedBackward final : public OpRun {
 public:
  EmbedBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        dx_(random_rows(tokens(), c.shape.dim)),
        dtable_(random_rows(c.shape.vocab, c.shape.dim)) {}
  void run(const Control&) override { backend_.backward()->embed_backward(*placed_, dx_, dtable_); }
  std::vector<Output> outputs() override { return {output("dtable", dtable_)}; }
  double bytes() const override { return 3 * bytes_of(dx_); }

 private:
  View dx_, dtable_;
};

}  // namespace

const OpKind embed = {"embed", make_run<Embed>, false, 4};
const OpKind embed_backward = {"embed_backward", make_run<EmbedBackward>};

}  // namespace mt::check
