// Holds the backward ops of the reference to central differences, in float64, of the formulas of the forward ops. The
// loss is the sum of an op's outputs, each times a fixed random number, whose gradients therefore are the op's dy.
#include <cmath>
#include <functional>
#include <vector>

#include "backend/backend.h"
#include "check.h"
#include "check/case.h"
#include "random.h"

namespace mt::test {
namespace {

using namespace mt::check;

using Numbers = std::vector<double>;

constexpr double kStep = 1e-4;
constexpr double kTolerance =
    1e-5;  // as a share of the largest of the gradient; float32 of the reference is less exact

const std::unique_ptr<Backend> kReference = make_reference_backend();
BackwardOps& ops() { return *kReference->backward(); }

Numbers widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// The reference works on host memory, so that a vector is its own view.
View view(std::vector<float>& values, int rows) {
  return {values.data(), rows, static_cast<int>(values.size()) / rows, DType::kFloat32};
}

// Compares `gradient` with the central differences of the loss by each number of x.
void differentiate(const char* what, Numbers x, const std::vector<float>& gradient,
                   const std::function<double(const Numbers&)>& loss) {
  Numbers differences;
  double largest = 0;
  for (double& value : x) {
    const double kept = value;
    value = kept + kStep;
    const double above = loss(x);
    value = kept - kStep;
    differences.push_back((above - loss(x)) / (2 * kStep));
    value = kept;
    largest = std::max(largest, std::fabs(differences.back()));
  }
  for (size_t i = 0; i < x.size(); i++) {
    const double error = std::fabs(differences[i] - gradient[i]);
    check(error <= kTolerance * largest, "%s[%zu] is %.9g, central differences give %.9g", what, i, double{gradient[i]},
          differences[i]);
  }
}

double dot(const std::vector<float>& c, const Numbers& y) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); i++) sum += c[i] * y[i];
  return sum;
}

void test_rms_norm() {
  constexpr int kRows = 3, kCols = 10;
  constexpr float kEps = 1e-3f;
  std::vector<float> x = random(kRows * kCols, 1, 1), w = random(kCols, 2, 1), dy = random(kRows * kCols, 3, 1);
  std::vector<float> dx(x.size()), dw(w.size());
  ops().rms_norm_backward(view(x, kRows), view(w, 1), kEps, view(dy, kRows), view(dx, kRows), view(dw, 1));
  const auto loss = [&](const Numbers& x, const Numbers& w) {
    Numbers y;
    for (int r = 0; r < kRows; r++) {
      double squares = 0;
      for (int i = 0; i < kCols; i++) squares += x[r * kCols + i] * x[r * kCols + i];
      for (int i = 0; i < kCols; i++) y.push_back(x[r * kCols + i] / std::sqrt(squares / kCols + kEps) * w[i]);
    }
    return dot(dy, y);
  };
  differentiate("rms_norm dx", widened(x), dx, [&](const Numbers& x) { return loss(x, widened(w)); });
  differentiate("rms_norm dw", widened(w), dw, [&](const Numbers& w) { return loss(widened(x), w); });
}

void test_linear() {
  constexpr int kRows = 4, kIn = 5, kOut = 3;
  std::vector<float> a = random(kRows * kIn, 1, 1), dy = random(kRows * kOut, 2, 1), dw(kOut * kIn), dbias(kOut);
  ops().linear_backward(view(dy, kRows), view(a, kRows), view(dw, kOut), view(dbias, 1));
  const auto loss = [&](const Numbers& w, const Numbers& bias) {
    Numbers y;
    for (int r = 0; r < kRows; r++)
      for (int o = 0; o < kOut; o++) {
        y.push_back(bias[o]);
        for (int i = 0; i < kIn; i++) y.back() += a[r * kIn + i] * w[o * kIn + i];
      }
    return dot(dy, y);
  };
  differentiate("linear dw", Numbers(dw.size()), dw, [&](const Numbers& w) { return loss(w, Numbers(kOut)); });
  differentiate("linear dbias", Numbers(kOut), dbias, [&](const Numbers& b) { return loss(Numbers(dw.size()), b); });
}

void test_swiglu() {
  constexpr int kRows = 2, kFfn = 7;
  std::vector<float> gate_up = random(kRows * 2 * kFfn, 1, 3), df = random(kRows * kFfn, 2, 1);
  std::vector<float> f(kRows * kFfn), dgate_up(gate_up.size()), one(kFfn * kFfn), memory(one.size());
  for (int i = 0; i < kFfn; i++) one[i * kFfn + i] = 1;
  const auto w_t = kReference->create_matrix(kFfn, kFfn, MatrixKind::kPlain, {}, DType::kFloat32, memory.data());
  kReference->write_rows(*w_t, 0, kFfn, one.data());
  ops().swiglu_backward(view(df, kRows), *w_t, view(gate_up, kRows), view(f, kRows), view(dgate_up, kRows));
  const auto forward = [&](const Numbers& x) {
    Numbers y;
    for (int r = 0; r < kRows; r++)
      for (int i = 0; i < kFfn; i++) {
        const double gate = x[r * 2 * kFfn + i], up = x[r * 2 * kFfn + kFfn + i];
        y.push_back(gate / (1 + std::exp(-gate)) * up);
      }
    return y;
  };
  const Numbers want = forward(widened(gate_up));
  for (size_t i = 0; i < f.size(); i++) check(std::fabs(f[i] - want[i]) < 1e-6, "swiglu f[%zu] is %g", i, double{f[i]});
  differentiate("swiglu dgate_up", widened(gate_up), dgate_up, [&](const Numbers& x) { return dot(df, forward(x)); });
}

void test_head_loss() {
  constexpr int kRows = 4, kDim = 6, kVocab = 9;
  std::vector<float> h = random(kRows * kDim, 1, 1), w = random(kVocab * kDim, 2, 1), weights = random(kRows, 3, 1);
  std::vector<float> dh(h.size()), dw(w.size()), memory(w.size()), memory_t(w.size());
  const std::vector<int32_t> targets = {3, 0, 8, 3};
  const auto matrix = kReference->create_matrix(kVocab, kDim, MatrixKind::kPlain, {}, DType::kFloat32, memory.data());
  const auto matrix_t =
      kReference->create_matrix(kDim, kVocab, MatrixKind::kPlain, {}, DType::kFloat32, memory_t.data());
  kReference->write_rows(*matrix, 0, kVocab, w.data());
  ops().transpose(*matrix, *matrix_t);
  const HeadLoss own = ops().head_loss(view(h, kRows), *matrix, *matrix_t, targets, weights, view(dh, kRows),
                                       view(dw, kVocab), Control());
  const auto loss = [&](const Numbers& h, const Numbers& w) {
    double sum = 0;
    for (int r = 0; r < kRows; r++) {
      Numbers z(kVocab);
      double total = 0;
      for (int v = 0; v < kVocab; v++) {
        for (int i = 0; i < kDim; i++) z[v] += h[r * kDim + i] * w[v * kDim + i];
        total += std::exp(z[v]);
      }
      sum += weights[r] * (std::log(total) - z[targets[r]]);
    }
    return sum;
  };
  check(std::fabs(own.loss - loss(widened(h), widened(w))) < 1e-6, "the loss is %.9g", own.loss);
  differentiate("head_loss dh", widened(h), dh, [&](const Numbers& h) { return loss(h, widened(w)); });
  differentiate("head_loss dw", widened(w), dw, [&](const Numbers& w) { return loss(widened(h), w); });
}

// Queries, keys and values [tokens, (heads + 2 kv_heads) d] before the rotation, through rotation and attention.
class AttentionLoss {
 public:
  AttentionLoss(const CasePack& pack, HeadShape shape, int window)
      : pack_(pack), shape_(shape), window_(window), tokens_(static_cast<int>(pack.ids.size())) {}

  int cols() const { return (shape_.heads + 2 * shape_.kv_heads) * shape_.head_dim; }

  // Turned by the angles of the rows' positions.
  Numbers rotated(Numbers x) const {
    const int half = shape_.head_dim / 2;
    for (int t = 0; t < tokens_; t++)
      for (int head = 0; head < shape_.heads + shape_.kv_heads; head++)
        for (int i = 0; i < half; i++) {
          double &a = x[t * cols() + head * shape_.head_dim + i], &b = *(&a + half);
          const double turned = a * std::cos(angle(t, i)) - b * std::sin(angle(t, i));
          b = b * std::cos(angle(t, i)) + a * std::sin(angle(t, i));
          a = turned;
        }
    return x;
  }
  double angle(int t, int i) const { return pack_.pos[t] * std::pow(10.0, -i); }

  Numbers output(const Numbers& rotated) const {
    const int d = shape_.head_dim, q_cols = shape_.heads * d, kv_cols = shape_.kv_heads * d;
    Numbers out(size_t(tokens_) * q_cols);
    for (const Tree& tree : pack_.trees)
      for (int r = tree.start; r < tree.end; r++)
        for (int head = 0; head < shape_.heads; head++) {
          const int kv = q_cols + head / (shape_.heads / shape_.kv_heads) * d;
          double total = 0;
          Numbers sum(d);
          for (int c = tree.start; c <= r; c++) {
            const bool sees = c >= pack_.branch_start[r] || c < tree.start + tree.prefix_len;
            if (!sees || pack_.pos[r] - pack_.pos[c] >= window_) continue;
            double score = 0;
            for (int i = 0; i < d; i++) score += rotated[r * cols() + head * d + i] * rotated[c * cols() + kv + i];
            const double weight = std::exp(score / std::sqrt(d));
            total += weight;
            for (int i = 0; i < d; i++) sum[i] += weight * rotated[c * cols() + kv + kv_cols + i];
          }
          for (int i = 0; i < d; i++) out[r * q_cols + head * d + i] = sum[i] / total;
        }
    return out;
  }

 private:
  const CasePack& pack_;
  HeadShape shape_;
  int window_, tokens_;
};

void test_attention(const std::vector<TreeSpec>& trees, int window) {
  const CasePack pack(trees, 11);
  const HeadShape shape = {4, 2, 4};
  const AttentionLoss reference(pack, shape, window);
  const int tokens = static_cast<int>(pack.ids.size()), q_cols = 16, kv_cols = 8;
  const std::vector<float> x = random(size_t(tokens) * reference.cols(), 1, 1);
  const Numbers rotated = reference.rotated(widened(x));
  std::vector<float> q, k, v, cos, sin;
  for (int t = 0; t < tokens; t++) {
    const double* row = &rotated[size_t(t) * reference.cols()];
    q.insert(q.end(), row, row + q_cols);
    k.insert(k.end(), row + q_cols, row + q_cols + kv_cols);
    v.insert(v.end(), row + q_cols + kv_cols, row + q_cols + 2 * kv_cols);
  }
  for (int position = 0; position < 16; position++)
    for (int i = 0; i < 2; i++) {
      cos.push_back(static_cast<float>(std::cos(position * std::pow(10.0, -i))));
      sin.push_back(static_cast<float>(std::sin(position * std::pow(10.0, -i))));
    }
  std::vector<float> out(q.size()), log_sums(size_t(tokens) * 4), dout = random(q.size(), 2, 1), dqkv(x.size());
  const auto placed = kReference->place(pack.pack(), shape, {&window, 1});
  kReference->attention(*placed, view(q, tokens), view(k, tokens), view(v, tokens), nullptr, 0, shape, window,
                        view(out, tokens), view(log_sums, tokens));
  ops().attention_backward(*placed, view(q, tokens), view(k, tokens), view(v, tokens), view(out, tokens),
                           view(log_sums, tokens), view(dout, tokens), shape, window, view(dqkv, tokens));
  ops().rope_backward(*placed, {view(cos, 16), view(sin, 16)}, shape, view(dqkv, tokens));
  differentiate("attention dqkv", widened(x), dqkv,
                [&](const Numbers& x) { return dot(dout, reference.output(reference.rotated(x))); });
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  test_rms_norm();
  test_linear();
  test_swiglu();
  test_head_loss();
  test_attention(mt::check::plain(6), mt::check::kWholeWindow);
  test_attention({{0, 3, {2, 1, 3}}, {0, 0, {4}}}, mt::check::kWholeWindow);
  test_attention({{0, 3, {2, 1, 4}}, {0, 0, {5}}}, 3);
  return finish("finite_difference_test");
}
