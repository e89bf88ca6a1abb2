#include <algorithm>
#include <cmath>

#include "../ops.h"
#include "../product_run.h"
#include "../random.h"

namespace mt::check {
namespace {

// Pairs of a query with a key that it sees.
double pairs(const std::vector<int32_t>& positions, int window) {
  double sum = 0;
  for (const int32_t position : positions) sum += std::min(position + 1, window);
  return sum;
}

class Attention final : public OpRun {
 public:
  Attention(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        q_values_(random(size_t(tokens()) * q_dim_, 1, 1)),
        k_values_(random(size_t(pack_.cached + tokens()) * kv_dim_, 3, 2)),
        v_values_(random(size_t(pack_.cached + tokens()) * kv_dim_, 4, 1)),
        q_(put(q_values_, q_dim_)),
        k_(put({k_values_.begin() + pack_.cached * kv_dim_, k_values_.end()}, kv_dim_)),
        v_(put({v_values_.begin() + pack_.cached * kv_dim_, v_values_.end()}, kv_dim_)),
        y_(empty(tokens(), q_dim_, activation_)) {
    if (pack_.cached > 0) add_copy();
  }
  void run(const Control&) override {
    const KvCache* cache = caches_.empty() ? nullptr : &caches_[turn_++ % caches_.size()];
    backend_.attention(*placed_, q_, k_, v_, cache, 0, heads_, case_.window, y_);
  }
  std::vector<Output> outputs() override { return {output("y", y_)}; }
  double flops() const override { return 4 * pairs(pack_.pos, case_.window) * q_dim_; }
  double memory_bytes() const override { return 2.0 * pack_.cached * kv_dim_ * sizeof(float); }
  double bytes() const override { return bytes_of(q_) + bytes_of(k_) + bytes_of(v_) + memory_bytes() + bytes_of(y_); }

 private:
  // The first rows of k and v.
  void add_copy() override {
    const int cached = pack_.cached * kv_dim_;
    const View k = put({k_values_.begin(), k_values_.begin() + cached}, kv_dim_);
    const View v = put({v_values_.begin(), v_values_.begin() + cached}, kv_dim_);
    caches_.push_back({{k}, {v}});
  }
  size_t copies() const override { return caches_.size(); }

  double bound(const Element& e) const override {
    const int d = heads_.head_dim;
    const double q = norm(&q_values_[size_t(e.row) * q_dim_ + e.col / d * d], d);
    if (rounding_ != DType::kFloat32) {
      // Queries, keys, weights and values may be rounded too, each by at most 2^-9 or 2^-12.
      const double unit = rounding_ == DType::kBFloat16 ? 0x1p-9 : 0x1p-12;
      return rounding(e.want) + 10 * unit * q * largest_key() / d + 2 * unit;
    }
    return rounding(e.want) + 16 * kHalfUnit * q * largest_key() / std::sqrt(d) +
           64 * kHalfUnit;  // values are at most 1
  }
  double largest_key() const {
    if (largest_key_ == 0)
      for (size_t i = 0; i < k_values_.size(); i += heads_.head_dim)
        largest_key_ = std::max(largest_key_, norm(&k_values_[i], heads_.head_dim));
    return largest_key_;
  }

  const std::vector<float> q_values_, k_values_, v_values_;
  const View q_, k_, v_, y_;
  std::vector<KvCache> caches_;
  size_t turn_ = 0;
  mutable double largest_key_ = 0;
};

// After a forward pass, which gives it its input.
class AttentionBackward final : public OpRun {
 public:
  AttentionBackward(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        q_(random_rows(tokens(), q_dim_)),
        k_(random_rows(tokens(), kv_dim_, 2)),
        v_(random_rows(tokens(), kv_dim_)),
        out_(empty(tokens(), q_dim_, activation_)),
        log_sums_(empty(tokens(), c.shape.heads)),
        dout_(random_rows(tokens(), q_dim_)),
        dqkv_(empty(tokens(), q_dim_ + 2 * kv_dim_)) {
    backend_.attention(*placed_, q_, k_, v_, nullptr, 0, heads_, case_.window, out_, log_sums_);
  }
  void run(const Control&) override {
    backend_.backward()->attention_backward(*placed_, q_, k_, v_, out_, log_sums_, dout_, heads_, case_.window, dqkv_);
  }
  std::vector<Output> outputs() override { return {output("log_sums", log_sums_), output("dqkv", dqkv_)}; }
  double flops() const override { return 10 * pairs(pack_.pos, case_.window) * q_dim_; }
  double bytes() const override {
    return bytes_of(q_) + bytes_of(k_) + bytes_of(v_) + bytes_of(out_) + bytes_of(log_sums_) + bytes_of(dout_) +
           bytes_of(dqkv_);
  }

 private:
  View q_, k_, v_, out_, log_sums_, dout_, dqkv_;
};

}  // namespace

const OpKind attention = {"attention", make_run<Attention>, false, 64};
const OpKind attention_backward = {"attention_backward", make_run<AttentionBackward>};

}  // namespace mt::check
