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
        part_values_(random(size_t(kv_dim_) * kPart, 4, 1, c.dtype)),
        part_(put(part_values_, kPart)),
        block_(empty(master_.rows, kCols)),
        block_t_(empty(kCols, master_.rows)),
        w_(matrix(nullptr, master_.rows, master_.cols, MatrixKind::kQkv)),
        w_t_(matrix(nullptr, master_.cols, master_.rows, MatrixKind::kPlain)) {
    const std::vector<float> zeros(size_t(master_.rows) * kCols);
    b_ = matrix(zeros.data(), master_.rows, kCols, MatrixKind::kQkv);
    b_t_ = matrix(zeros.data(), kCols, master_.rows, MatrixKind::kPlain);
  }
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.repack(*w_, master_);
    ops.transpose(*w_, *w_t_);
    ops.read_rows(*w_, 0, back_);
    ops.read_rows(*w_t_, 0, back_t_);
    ops.repack(*b_, part_, 1, q_dim_, kCol);
    ops.repack_transposed(*b_t_, part_, 2, kCol, q_dim_);
    ops.read_rows(*b_, 0, block_);
    ops.read_rows(*b_t_, 0, block_t_);
  }
  std::vector<Output> outputs() override {
    return {output("rows", back_), output("transposed", back_t_), output("block", block_),
            output("transposed block", block_t_)};
  }
  double bytes() const override { return 4 * (bytes_of(master_) + bytes_of(part_)); }

  // The numbers that went in are what must come out, of the reference too.
  void judge(const std::vector<Output>&, OpRun& other, Judge& judge) override {
    std::vector<float> transposed;
    for (int i = 0; i < master_.cols; i++)
      for (int r = 0; r < master_.rows; r++) transposed.push_back(values_[size_t(r) * master_.cols + i]);
    std::vector<float> block(size_t(master_.rows) * kCols), block_t(block.size());
    for (int r = 0; r < part_.rows; r++)
      for (int i = 0; i < kPart; i++) {
        const int row = q_dim_ + r, col = kCol + i;
        const float value = part_values_[size_t(r) * kPart + i];
        block[size_t(row) * kCols + col] = value;
        block_t[size_t(col) * master_.rows + row] = 2 * value;
      }
    OpRun::judge({{"rows", master_.cols, values_},
                  {"transposed", master_.rows, std::move(transposed)},
                  {"block", kCols, std::move(block)},
                  {"transposed block", master_.rows, std::move(block_t)}},
                 other, judge);
  }

 private:
  double bound(const Element&) const override { return 0; }

  // Of the columns that a matrix has, those that a block fills.
  static constexpr int kCols = 6, kCol = 1, kPart = 3;

  const std::vector<float> values_;
  View master_, back_, back_t_;
  const std::vector<float> part_values_;
  View part_, block_, block_t_;
  std::unique_ptr<Matrix> w_, w_t_, b_, b_t_;
};

class Convert final : public OpRun {
 public:
  Convert(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        x_(random_rows(tokens(), c.shape.dim)),
        rounded_(empty(tokens(), c.shape.dim, activation_)),
        zero_(random_rows(tokens(), c.shape.dim)) {}
  void run(const Control&) override {
    BackwardOps& ops = *backend_.backward();
    ops.convert(x_, rounded_);
    ops.fill_zero(zero_);
  }
  std::vector<Output> outputs() override { return {output("rounded", rounded_), output("zero", zero_)}; }
  double bytes() const override { return bytes_of(x_) + bytes_of(rounded_) + bytes_of(zero_); }

 private:
  View x_, rounded_, zero_;
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
