// What training does to weights: it writes them from the originals, reads them back, transposes them, and updates the
// originals.
#include "../ops.h"
#include "../random.h"

namespace mt::check {
namespace {

class Repack final : public OpRun {
 public:
  Repack(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        values_(random(size_t(q_dim_ + 2 * kv_dim_) * c.shape.dim, 3, 1, c.dtype)),
        master_(put(values_, c.shape.dim)),
        back_(empty(master_.rows, master_.cols)),
        back_t_(empty(master_.cols, master_.rows)),
        w_(matrix(nullptr, master_.rows, master_.cols, MatrixKind::kQkv)),
        w_t_(matrix(nullptr, master_.cols, master_.rows, MatrixKind::kPlain)) {}
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.repack(*w_, master_);
    ops.transpose(*w_, *w_t_);
    ops.read_rows(*w_, 0, back_);
    ops.read_rows(*w_t_, 0, back_t_);
  }
  std::vector<Output> outputs() override { return {output("rows", back_), output("transposed", back_t_)}; }
  double bytes() const override { return 4 * bytes_of(master_); }

  // The numbers that went in are what must come out, of the reference too.
  void judge(const std::vector<Output>&, OpRun& other, Judge& judge) override {
    std::vector<float> transposed;
    for (int i = 0; i < master_.cols; i++)
      for (int r = 0; r < master_.rows; r++) transposed.push_back(values_[size_t(r) * master_.cols + i]);
    OpRun::judge({{"rows", master_.cols, values_}, {"transposed", master_.rows, std::move(transposed)}}, other, judge);
  }

 private:
  double bound(const Element&) const override { return 0; }

  const std::vector<float> values_;
  View master_, back_, back_t_;
  std::unique_ptr<Matrix> w_, w_t_;
};

class Convert final : public OpRun {
 public:
  Convert(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_rows(tokens(), c.shape.dim)),
        rounded_(empty(tokens(), c.shape.dim, activation_)),
        columns_(empty(tokens(), c.shape.dim / 2, activation_)),
        zero_(random_rows(tokens(), c.shape.dim)) {}
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.convert(x_, rounded_);
    ops.convert(x_, columns_, 3);
    ops.fill_zero(zero_);
  }
  std::vector<Output> outputs() override {
    return {output("rounded", rounded_), output("columns", columns_), output("zero", zero_)};
  }
  double bytes() const override { return bytes_of(x_) + bytes_of(rounded_) + 2 * bytes_of(columns_) + bytes_of(zero_); }

 private:
  View x_, rounded_, columns_, zero_;
};

class AdamWRun final : public OpRun {
 public:
  AdamWRun(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        w_(random_rows(c.shape.ffn, c.shape.dim)),
        gradient_(random_rows(c.shape.ffn, c.shape.dim)),
        m_(random_rows(c.shape.ffn, c.shape.dim)),
        v_(put(std::vector<float>(size_t(c.shape.ffn) * c.shape.dim, 0.25f), c.shape.dim)) {}
  void run(const Control&) override {
    AdamW options;
    options.step = 3;
    options.lr = 0.01;
    options.weight_decay = 0.1;
    options.scale = 0.7f;
    backend_.backward()->adamw(w_, gradient_, m_, v_, options);
    squares_ = backend_.backward()->sum_squares(gradient_);
  }
  std::vector<Output> outputs() override {
    return {output("w", w_), output("m", m_), output("v", v_), {"squares", 1, {static_cast<float>(squares_)}}};
  }
  double bytes() const override { return 8 * bytes_of(w_); }

 private:
  View w_, gradient_, m_, v_;
  double squares_ = 0;
};

}  // namespace

const OpKind repack = {"repack", make_run<Repack>};
const OpKind convert = {"convert", make_run<Convert>};
const OpKind adamw = {"adamw", make_run<AdamWRun>};

}  // namespace mt::check
