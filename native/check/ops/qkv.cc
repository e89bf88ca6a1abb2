#include <cmath>

#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

class Qkv final : public ProductRun {
 public:
  Qkv(Backend& backend, const OpCase& c, DType rounding)
      : ProductRun(backend, c, rounding, c.shape.dim, (c.shape.heads + 2 * c.shape.kv_heads) * c.shape.head_dim,
                   MatrixKind::kQkv),
        q_(empty(tokens(), q_dim_)),
        k_(empty(tokens(), kv_dim_)),
        v_(empty(tokens(), kv_dim_)) {
    finish_.bias = bias_;
    finish_.rope = rope();
    if (!c.head_norms) return;
    q_norm_ = random(c.shape.head_dim, 7, 2);
    k_norm_ = random(c.shape.head_dim, 8, 2);
    finish_.eps = kNormEps;
    finish_.q_norm = put(q_norm_, c.shape.head_dim);
    finish_.k_norm = put(k_norm_, c.shape.head_dim);
  }
  void run(const Control&) override { backend_.qkv(*placed_, x_, next_weight(), finish_, heads_, q_, k_, v_, added_); }
  std::vector<Output> outputs() override { return {output("q", q_), output("k", k_), output("v", v_)}; }
  double bytes() const override { return bytes_of(x_) + memory_bytes() + bytes_of(q_) + bytes_of(k_) + bytes_of(v_); }

  void judge(const std::vector<Output>& want, OpRun& other, Judge& judge) override {
    if (case_.head_norms) {
      QkvFinish plain = finish_;
      plain.q_norm = plain.k_norm = {};
      backend_.qkv(*placed_, x_, next_weight(), plain, heads_, q_, k_, v_, added_);
      unnormed_ = outputs();
    }
    OpRun::judge(want, other, judge);
  }

 private:
  double bound(const Element& e) const override {
    const int d = heads_.head_dim, first = e.output == 0 ? 0 : q_dim_ + (e.output - 1) * kv_dim_;
    const int partner = e.col / d * d + (e.col % d + d / 2) % d;
    if (case_.head_norms && e.output < 2) return normed(e, first, partner) + 8 * kHalfUnit * e.want;
    return product(e.row, first + e.col) + product(e.row, first + partner) + 8 * kHalfUnit * (e.want + 2);
  }

  // An element of a head x that was normalised, times w, and rotated with its partner. An error e of x changes the
  // element by up to e w / rms(x) at once, and through the norm by |element| |e| / |x|. Rotations keep lengths, so
  // those of x are those of the result without the norm.
  double normed(const Element& e, int first, int partner) const {
    const int d = heads_.head_dim, head = e.col / d * d, cols = unnormed_[e.output].cols;
    const float* x = &unnormed_[e.output].values[size_t(e.row) * cols + head];
    const std::vector<float>& w = e.output == 0 ? q_norm_ : k_norm_;
    const auto error = [&](int i) { return product(e.row, first + i) + 8 * kHalfUnit; };  // with that of adding a bias
    double errors = 0;
    for (int i = head; i < head + d; i++) errors += error(i) * error(i);
    const double length = norm(x, d), own = x[e.col % d], other = x[partner % d];
    const double pair = std::sqrt(own * own + other * other);
    const double share = std::sqrt(errors) / length + 4 * kHalfUnit * std::sqrt(d);
    return (std::fabs(w[e.col % d]) + std::fabs(w[partner % d])) * std::sqrt(d) / length *
           (error(e.col) + error(partner) + pair * share);
  }

  View q_, k_, v_;
  QkvFinish finish_;
  std::vector<float> q_norm_, k_norm_;
  std::vector<Output> unnormed_;  // what head norms make of it left out
};

class RopeBackward final : public OpRun {
 public:
  RopeBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding), rope_(rope()), dqkv_(random_rows(tokens(), q_dim_ + 2 * kv_dim_)) {}
  void run(const Control&) override { backend_.backward()->rope_backward(*placed_, rope_, heads_, dqkv_); }
  std::vector<Output> outputs() override { return {output("dqkv", dqkv_)}; }
  double bytes() const override { return 2 * bytes_of(dqkv_); }

 private:
  RopeTable rope_;
  View dqkv_;
};

}  // namespace

const OpKind qkv = {"qkv", make_run<Qkv>, true, 4};
const OpKind rope_backward = {"rope_backward", make_run<RopeBackward>};

}  // namespace mt::check
