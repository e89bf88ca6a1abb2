#include "../ops.h"

namespace mt::check {
namespace {

class AppendKv final : public OpRun {
 public:
  AppendKv(Backend& backend, const OpCase& c, DType rounding)
      : OpRun(backend, c, rounding),
        k_(random_rows(tokens(), kv_dim_, 2)),
        v_(random_rows(tokens(), kv_dim_)),
        cache_{{empty(tokens(), kv_dim_)}, {empty(tokens(), kv_dim_)}} {}
  void run(const Control&) override { backend_.append_kv(*placed_, k_, v_, cache_, 0); }
  std::vector<Output> outputs() override { return {output("k", cache_.k[0]), output("v", cache_.v[0])}; }
  double bytes() const override { return 2 * (bytes_of(k_) + bytes_of(v_)); }

 private:
  double bound(const Element&) const override { return 0; }

  View k_, v_;
  KvCache cache_;
};

}  // namespace

const OpKind append_kv = {"append_kv", make_run<AppendKv>};

}  // namespace mt::check
