// Each op of the backward pass and of the optimizer, with its formula and shapes. A gradient d of the loss by some x is
// written dx.
//
// Gradients are float32. Ops add to the gradients of weights, so that a step may have several packs; what they do with
// others is said beside each. S = scored rows, T = tokens of the pack. `act` is the activations' type.
//
// Determinism: a sum over rows is one sum in ascending order of the rows, begun at zero and then added to what is
// there; a GPU may cut a sum into a fixed number of those, which it adds in order. No bit of a result depends on the
// number of threads, or on the run.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>

#include "forward_ops.h"

namespace mt {

// Loshchilov and Hutter 2019, rounded where PyTorch's torch.optim.AdamW rounds.
struct AdamW {
  int step = 1;  // counts from 1
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;
  float scale = 1;  // what gradients are multiplied by first: the clipping by the global norm
};

// What adamw() multiplies and divides by.
struct AdamWFactors {
  explicit AdamWFactors(const AdamW& o)
      : scale(o.scale),
        decay(static_cast<float>(1 - o.lr * o.weight_decay)),
        mean(static_cast<float>(1 - o.beta1)),
        square_kept(static_cast<float>(o.beta2)),
        square(static_cast<float>(1 - o.beta2)),
        step_size(static_cast<float>(-o.lr / (1 - std::pow(o.beta1, o.step)))),
        root(static_cast<float>(std::sqrt(1 - std::pow(o.beta2, o.step)))),
        eps(static_cast<float>(o.eps)) {}

  float scale, decay, mean, square_kept, square, step_size, root, eps;
};

struct HeadLoss {
  double loss = 0;  // the weighted sum, added up in the order of the rows
  int correct = 0;  // rows whose best token is the target
};

// Columns first .. first + count - 1 of a view; all of them where none are named.
struct Columns {
  Columns(View all) : x(all), first(0), count(all.cols) {}
  Columns(View x_, int first_, int count_) : x(x_), first(first_), count(count_) {}

  View x;
  int first;
  int count;
};

class BackwardOps {
 public:
  virtual ~BackwardOps() = default;

  // ---- weights ----

  // values[i, :] = row `row + i` of the matrix, widened            values [count, cols] f32
  virtual void read_rows(const Matrix& matrix, int row, View values) = 0;
  // Stores factor * master, which is f32, rounded to the matrix's dtype, as the block that begins at this row and
  // column.
  virtual void repack(Matrix& matrix, View master, float factor = 1, int row = 0, int col = 0) = 0;
  // The same with master^T, in a kPlain matrix.
  virtual void repack_transposed(Matrix& matrix, View master, float factor = 1, int row = 0, int col = 0) = 0;
  // w_t = w^T. w_t is kPlain [in, out] and has the dtype of w [out, in], of any kind.
  virtual void transpose(const Matrix& w, Matrix& w_t) = 0;

  // ---- what moves numbers ----

  virtual void fill_zero(View x) = 0;
  // y = x, rounded to the type of y           x f32 or act   y f32 or act
  virtual void convert(View x, View y) = 0;
  // dx[rows[i], :] += dy[i, :] in the order of i     dy [rows of the pack, dim]   dx [T, dim]
  virtual void scatter_rows(const PlacedPack& pack, View dy, View dx) = 0;
  // dtable[ids[t], :] += dx[t, :] in the order of t  dx [T, dim]   dtable [vocab, dim]
  virtual void embed_backward(const PlacedPack& pack, View dx, View dtable) = 0;

  // ---- ops, from the end of the forward pass to its beginning ----

  // The loss sum_i weights[i] * -log softmax(h[i, :] w^T)[targets[i]], and its gradients. Logits are computed for a
  // bounded number of rows at a time: z = h w^T, dz = weights[i] * (softmax(z) - onehot(targets[i])).
  //   dh = dz w   dw += dz^T h
  //   h [S, dim] act   w [vocab, dim], w_t its transpose   dh [S, dim] f32   dw [vocab, dim], or empty
  //   targets, weights [S] on the host   Waits for the result. Polls `control` and throws ABORTED; then dw is
  //   undefined.
  virtual HeadLoss head_loss(View h, const Matrix& w, const Matrix& w_t, std::span<const int32_t> targets,
                             std::span<const float> weights, View dh, View dw, const Control& control) = 0;

  // With r = 1 / sqrt(mean(x^2) + eps), n = x r and u = dy * w, row by row:
  //   dx += r (u - n mean(u n))   dw += sum of dy * n over the rows
  //   x, dy, dx [rows, cols] f32   w, dw [cols] f32; dw may be empty
  virtual void rms_norm_backward(View x, View w, float eps, View dy, View dx, View dw) = 0;

  // Gradients by the weight and bias of y = a w^T + bias:
  //   dw += dy^T a   dbias += sum of dy over the rows
  //   dy [rows, out] act   a [rows, in] act   dw [out, in] f32   dbias [out] f32, or empty: with it dy is a whole view
  // The gradient by a is the product of dy and w^T as a matrix.
  virtual void linear_backward(const Columns& dy, const Columns& a, View dw, View dbias) = 0;

  // y = a w^T + z b^T
  //   a [rows, in] act   w [out, in] kPlain   y [rows, out] f32 or act
  virtual void product(View a, const Matrix& w, View y, const LowRank& added = {}) = 0;

  // With df = dy w_t^T + z b^T, swiglu()'s gate and up, and s = 1 / (1 + exp(-gate)):
  //   f = gate s * up   dgate = df * up * s (1 + gate (1 - s))   dup = df * gate s
  //   dy [rows, dim] act   w_t [ffn, dim] kPlain   gate_up [rows, 2 * ffn] f32   f [rows, ffn] act
  //   dgate_up [rows, 2 * ffn] act
  virtual void swiglu_backward(View dy, const Matrix& w_t, View gate_up, View f, View dgate_up,
                               const LowRank& added = {}) = 0;

  // With P[t, c] = exp(q[t] . k[c] / sqrt(d) - log_sums[t]) over what row t sees, and D[t] = dout[t] . out[t], head by
  // head:
  //   dv[c] = sum_t P[t, c] dout[t]   dS[t, c] = P[t, c] (dout[t] . v[c] - D[t]) / sqrt(d)
  //   dq[t] = sum_c dS[t, c] k[c]     dk[c] = sum_t dS[t, c] q[t]
  // k and v sum over the heads of their group too. The pack has no segments.
  //   q, dout [T, heads * d] f32   k, v [T, kv_heads * d] f32   out [T, heads * d] act   log_sums [T, heads]:
  //   attention()'s dqkv [T, heads * d + 2 * kv_heads * d] f32: dq, dk, dv side by side
  virtual void attention_backward(const PlacedPack& pack, View q, View k, View v, View out, View log_sums, View dout,
                                  HeadShape shape, int window, View dqkv) = 0;

  // Turns each pair of q and k back, (a, b) -> (a cos + b sin, b cos - a sin): the gradients before the rotation.
  //   dqkv [T, heads * d + 2 * kv_heads * d] f32
  virtual void rope_backward(const PlacedPack& pack, const RopeTable& rope, HeadShape shape, View dqkv) = 0;

  // ---- the optimizer ----

  // The sum of x^2 over all elements, in float64, for blocks of 4,096 elements and then over the blocks. Waits for it.
  virtual double sum_squares(View x) = 0;
  // With g = scale * gradient, element by element:
  //   m += (1 - beta1) (g - m)   v = beta2 v + (1 - beta2) g^2
  //   w = w (1 - lr weight_decay) - lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
  // All of the same shape, f32.
  virtual void adamw(View w, View gradient, View m, View v, const AdamW& options) = 0;
};

}  // namespace mt
