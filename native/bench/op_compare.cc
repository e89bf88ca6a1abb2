// The bounds, and the comparison.
#include "op_compare.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace mt::bench {
namespace {

constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1

double norm(const float* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += double{x[i]} * x[i];
  return std::sqrt(sum);
}

// The largest difference that two right results may have. The rounding error of a sum of products a b grows as a random
// walk, to about 0.7 * 2^-24 * |a| |b| for each result. A factor of 8 is more than five times that for both together.
class Bounds {
 public:
  // `activation` is the dtype of the op's rounded inputs and outputs; `unnormed` is that of Wanted.
  Bounds(const OpCase& c, DType activation, const OpRun& run, const std::vector<float>& want,
         const std::vector<float>& unnormed)
      : case_(c), activation_(activation), run_(run), want_(want), unnormed_(unnormed) {
    const ModelShape& s = c.shape;
    in_ = static_cast<int>(run.input().rows.size() / std::max(1, run.rows()));
    if (c.op == Op::kAttention) {
      for (size_t i = 0; i < run.input().k.size(); i += s.head_dim)
        largest_key_ = std::max(largest_key_, norm(&run.input().k[i], s.head_dim));
      return;
    }
    if (in_ == 0 || c.op == Op::kRmsNorm) return;
    const auto norms = [&](const std::vector<float>& rows) {
      std::vector<double> norms;
      for (size_t i = 0; i + in_ <= rows.size(); i += in_) norms.push_back(norm(&rows[i], in_));
      return norms;
    };
    row_norms_ = norms(run.input().rows);
    weight_norms_ = norms(run.input().weights);
  }

  double at(int row, int col) const {
    const ModelShape& s = case_.shape;
    const double want = std::fabs(want_[size_t(row) * run_.width() + col]);
    // A rounded output may fall on the other side of a tie, which is one unit in the last of its 8, 11 or 24 bits.
    const double rounding = activation_ == DType::kBFloat16  ? 0x1p-7 * want
                            : activation_ == DType::kFloat16 ? 0x1p-10 * want + 0x1p-24
                                                             : 2 * kEps * want;
    switch (case_.op) {
      case Op::kEmbed:
      case Op::kAppendKv:
      case Op::kGather:
        return 0;
      case Op::kRmsNorm:
        return rounding + 4 * kEps * std::sqrt(in_) * want;
      case Op::kOut:
      case Op::kDown:
        return product(row, col) + 8 * kEps * (want + 2);
      case Op::kHeadLogits:
        return product(row, col);
      case Op::kQkv: {
        const int d = s.head_dim, partner = col / d * d + (col % d + d / 2) % d;
        if (case_.head_norms && col < (s.heads + s.kv_heads) * d) return normed(row, col, partner) + 8 * kEps * want;
        return product(row, col) + product(row, partner) + 8 * kEps * (want + 2);
      }
      case Op::kSwiglu: {
        const double gate = product(row, col), up = product(row, s.ffn + col);
        const double size = weight_norms_[col] * row_norm(row) + 1;  // a bound of |gate|
        const double value = weight_norms_[s.ffn + col] * row_norm(row) + 1;
        return rounding + 1.1 * gate * std::min(value, 6 * value / std::sqrt(in_) + 1) + size * up + 16 * kEps * want;
      }
      case Op::kAttention: {
        const float* q = &run_.input().rows[size_t(row) * in_ + col / s.head_dim * s.head_dim];
        if (activation_ != DType::kFloat32) {
          // Queries, keys, weights and values may be rounded too, each by at most 2^-9 or 2^-12.
          const double unit = activation_ == DType::kBFloat16 ? 0x1p-9 : 0x1p-12;
          return rounding + 10 * unit * norm(q, s.head_dim) * largest_key_ / s.head_dim + 2 * unit;
        }
        const double score = 8 * kEps * norm(q, s.head_dim) * largest_key_ / std::sqrt(s.head_dim);
        return rounding + 2 * score + 64 * kEps;  // values are at most 1
      }
      case Op::kHeadScore:
      case Op::kHeadSample:
        return 0;  // the comparison goes by the logits
    }
    return 0;
  }

  double product(int row, int col) const { return 8 * kEps * row_norm(row) * weight_norms_[col]; }
  double widest_product(int row) const {
    return 8 * kEps * row_norm(row) * *std::max_element(weight_norms_.begin(), weight_norms_.end());
  }

 private:
  // An element of a head x that was normalised, times w, and rotated with its partner. An error e of x changes the
  // element by up to e w / rms(x) at once, and through the norm by |element| |e| / |x|. Rotations keep lengths, so
  // those of x are those of the result without the norm.
  double normed(int row, int col, int partner) const {
    const int d = case_.shape.head_dim, head = col / d;
    const float* x = &unnormed_[size_t(row) * run_.width() + size_t(head) * d];
    const std::vector<float>& w = head < case_.shape.heads ? run_.input().q_norm : run_.input().k_norm;
    const auto error = [&](int i) { return product(row, i) + 8 * kEps; };  // of the product, and of adding a bias
    double errors = 0;
    for (int i = head * d; i < (head + 1) * d; i++) errors += error(i) * error(i);
    const double length = norm(x, d), own = x[col % d], other = x[partner % d];
    const double pair = std::sqrt(own * own + other * other);
    const double share = std::sqrt(errors) / length + 4 * kEps * std::sqrt(d);
    return (std::fabs(w[col % d]) + std::fabs(w[partner % d])) * std::sqrt(d) / length *
           (error(col) + error(partner) + pair * share);
  }
  double row_norm(int row) const { return row_norms_[row]; }

  const OpCase& case_;
  const DType activation_;
  const OpRun& run_;
  const std::vector<float>& want_;
  const std::vector<float>& unnormed_;
  int in_ = 0;
  double largest_key_ = 0;
  std::vector<double> row_norms_, weight_norms_;
};

// What choose_token() picks: `id` if it is drawn within 2^-16 of the random number, for a device may round the weights
// otherwise.
Choice nearest_choice(std::span<const float> logits, const Sampling& sampling, uint64_t random, float id) {
  constexpr uint64_t kNear = uint64_t{1} << 48;
  std::vector<TokenWeight> scratch(logits.size());
  for (const uint64_t bits : {random - std::min(random, kNear), random + std::min(~random, kNear)}) {
    const Choice choice = choose_token(logits, sampling, bits, scratch);
    if (static_cast<float>(choice.id) == id) return choice;
  }
  return choose_token(logits, sampling, random, scratch);
}

std::string describe(const OpCase& c) {
  std::ostringstream s;
  s << op_name(c.op) << " " << c.shape.name << " " << dtype_name(c.dtype) << " trees";
  for (const TreeSpec& t : c.trees) {
    s << " " << t.segment << "+" << t.prefix << "(";
    for (size_t i = 0; i < t.branches.size(); i++) s << (i ? " " : "") << t.branches[i];
    s << ")";
  }
  if (c.shift) s << " shift " << c.shift;
  if (c.bias) s << " bias";
  if (c.head_norms) s << " head norms";
  if (c.window < kWholeWindow) s << " window " << c.window;
  if (c.top_k) s << " top " << c.top_k;
  return s.str();
}

}  // namespace

Wanted::Wanted(const OpCase& c, DType activation)
    : reference(make_reference_backend()), run(*reference, c, activation) {
  run.run();
  values = run.output();
  if (c.head_norms) {
    OpCase without = c;
    without.head_norms = false;
    OpRun plain(*reference, without, activation);
    plain.run();
    unnormed = plain.output();
  }
  if (c.op != Op::kHeadScore && c.op != Op::kHeadSample) return;
  logits_case = c;
  logits_case.op = Op::kHeadLogits;
  logits_run = std::make_unique<OpRun>(*reference, logits_case, activation);
  logits_run->run();
  logits = logits_run->output();
}

std::string mismatch(OpRun& run, const OpCase& c, const Wanted& wanted) {
  const std::vector<float>& want = wanted.values;
  const std::vector<float> got = run.output();
  const int width = run.width();
  size_t out = 0, worst = 0;
  double worst_share = 0, worst_bound = 0;
  const auto judge = [&](size_t i, double error, double bound) {
    if (error <= bound) return;
    out++;
    const double share = std::isnan(error) || bound == 0 ? 1e300 : error / bound;
    if (share > worst_share) worst_share = share, worst = i, worst_bound = bound;
  };

  if (c.op == Op::kHeadScore) {
    const std::vector<float>& logits = wanted.logits;
    const Bounds bounds(wanted.logits_case, run.activation(), *wanted.logits_run, logits, {});
    for (int r = 0; r < wanted.run.rows(); r++) {
      const double widest = bounds.widest_product(r);
      const float* row = &logits[size_t(r) * c.shape.vocab];
      for (int i = 0; i < width; i++) {
        const size_t at = size_t(r) * width + i;
        const bool is_id = i == 1 || (i >= 2 && i < 2 + c.top_k);
        if (is_id && !(got[at] >= 0 && got[at] < static_cast<float>(c.shape.vocab))) {
          judge(at, INFINITY, widest);
          continue;
        }
        // Ids may differ if the reference's own logits for them are closer together than the error.
        const double difference = is_id ? row[int(got[at])] - row[int(want[at])] : got[at] - want[at];
        judge(at, std::fabs(difference), is_id ? widest : 2 * widest + 32 * kEps * (std::fabs(want[at]) + 1));
      }
    }
  } else if (c.op == Op::kHeadSample) {
    // Rounding may move a draw to the token beside it. So the backend's own logits are held to the reference's, and
    // what it draws to those.
    const std::vector<float> logits = run.logits(wanted.run.rows());
    const Bounds bounds(wanted.logits_case, run.activation(), *wanted.logits_run, wanted.logits, {});
    const size_t vocab = c.shape.vocab;
    for (int r = 0; r < wanted.run.rows(); r++) {
      const size_t at = size_t(r) * width;
      for (size_t i = 0; i < vocab; i++)
        judge(at, std::fabs(double{logits[r * vocab + i]} - wanted.logits[r * vocab + i]),
              bounds.at(r, static_cast<int>(i)));
      const Choice choice = nearest_choice({&logits[r * vocab], vocab}, run.sampling(), run.draws()[r], got[at]);
      judge(at, std::fabs(double{got[at]} - choice.id), 0);
      judge(at + 1, std::fabs(double{got[at + 1]} - choice.log_prob), 1e-5);
    }
  } else {
    const Bounds bounds(c, run.activation(), wanted.run, want, wanted.unnormed);
    for (size_t i = 0; i < want.size(); i++)
      judge(i, std::fabs(double{got[i]} - want[i]),
            bounds.at(static_cast<int>(i / width), static_cast<int>(i % width)));
  }
  if (out == 0) return "";
  std::ostringstream s;
  s.precision(9);
  s << describe(c) << ": [" << worst / width << ", " << worst % width << "] = " << got[worst] << ", want "
    << want[worst] << " +- " << worst_bound << " (" << out << " of " << want.size() << " out)";
  return s.str();
}

}  // namespace mt::bench
