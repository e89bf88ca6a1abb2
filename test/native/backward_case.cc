// The inputs of each backward op, and how it is called.
#include "backward_case.h"

#include <algorithm>
#include <cmath>

#include "check.h"
#include "random.h"

namespace mt::test {
namespace {

constexpr float kEps = 1e-5f;

// Arrays on a backend. Every array is shifted off its alignment by a few floats.
class Arrays {
 public:
  Arrays(Backend& backend, DType activation, DType dtype)
      : backend_(backend), activation_(backend.activation_dtype(dtype)), rounding_(activation), seed_(1) {}

  DType activation() const { return activation_; }

  View empty(int rows, int cols, DType type = DType::kFloat32) {
    buffers_.push_back(backend_.allocate(size_t(rows) * cols * dtype_size(type) + 64));
    return {static_cast<char*>(buffers_.back()->data()) + 4 * (buffers_.size() % 3), rows, cols, type};
  }
  View random_rows(int rows, int cols, float scale = 1) {
    return put(random(size_t(rows) * cols, seed_++, scale), rows, cols);
  }
  View random_activations(int rows, int cols) {
    const std::vector<float> values = random(size_t(rows) * cols, seed_++, 1, rounding_);
    if (activation_ == DType::kFloat32) return put(values, rows, cols);
    std::vector<uint16_t> halves;
    for (const float value : values) halves.push_back(f32_to_bf16(value));
    const View view = empty(rows, cols, activation_);
    backend_.upload(view.data, halves.data(), halves.size() * 2);
    return view;
  }
  View put(const std::vector<float>& values, int rows, int cols) {
    const View view = empty(rows, cols);
    backend_.upload(view.data, values.data(), values.size() * sizeof(float));
    return view;
  }
  Matrix& matrix(const std::vector<float>& values, int rows, int cols, MatrixKind kind, const BackwardCase& c) {
    const HeadShape heads = {c.shape.heads, c.shape.kv_heads, c.shape.head_dim};
    buffers_.push_back(backend_.allocate(backend_.matrix_bytes(rows, cols, kind, heads, c.dtype)));
    matrices_.push_back(backend_.create_matrix(rows, cols, kind, heads, c.dtype, buffers_.back()->data()));
    if (!values.empty()) backend_.write_rows(*matrices_.back(), 0, rows, values.data());
    backend_.finish_rows();
    return *matrices_.back();
  }
  Output read(const char* name, View view) {
    Output output = {name, std::vector<float>(size_t(view.rows) * view.cols)};
    if (view.dtype == DType::kFloat32) {
      backend_.download(output.values.data(), view.data, output.values.size() * sizeof(float));
      return output;
    }
    std::vector<uint16_t> halves(output.values.size());
    backend_.download(halves.data(), view.data, halves.size() * 2);
    std::transform(halves.begin(), halves.end(), output.values.begin(), bf16_to_f32);
    return output;
  }

 private:
  Backend& backend_;
  DType activation_, rounding_;
  uint64_t seed_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<std::unique_ptr<Matrix>> matrices_;
};

HeadShape heads_of(const BackwardCase& c) { return {c.shape.heads, c.shape.kv_heads, c.shape.head_dim}; }
int qkv_size(const BackwardCase& c) { return (c.shape.heads + 2 * c.shape.kv_heads) * c.shape.head_dim; }

RopeTable rope_of(Arrays& arrays, const CasePack& pack, int head_dim) {
  std::vector<float> cosines, sines;
  const int positions = *std::max_element(pack.pos.begin(), pack.pos.end()) + 1;
  for (int p = 0; p < positions; p++)
    for (int i = 0; i < head_dim / 2; i++) {
      const double angle = p * std::pow(10000.0, -2.0 * i / head_dim);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
  return {arrays.put(cosines, positions, head_dim / 2), arrays.put(sines, positions, head_dim / 2)};
}

std::vector<Output> weights(Backend& backend, const BackwardCase& c, DType activation) {
  BackwardOps& ops = *backend.backward();
  Arrays arrays(backend, activation, c.dtype);
  const int rows = qkv_size(c), cols = c.shape.dim;
  const std::vector<float> values = random(size_t(rows) * cols, 3, 1, c.dtype);
  Matrix& w = arrays.matrix({}, rows, cols, MatrixKind::kQkv, c);
  ops.repack(w, arrays.put(values, rows, cols));
  const View back = arrays.empty(rows, cols), back_t = arrays.empty(cols, rows);
  ops.read_rows(w, 0, back);
  Matrix& w_t = arrays.matrix({}, cols, rows, MatrixKind::kPlain, c);
  ops.transpose(w, w_t);
  ops.read_rows(w_t, 0, back_t);
  const Output own = arrays.read("rows", back), own_t = arrays.read("transposed", back_t);
  bool same = own.values == values;
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < cols; i++) same = same && own_t.values[size_t(i) * rows + r] == values[size_t(r) * cols + i];
  check(same, "%s: weights that are written, read back and transposed are other weights", backend.name().c_str());
  return {own, own_t};
}

std::vector<Output> rows(Backend& backend, const BackwardCase& c, DType activation) {
  BackwardOps& ops = *backend.backward();
  Arrays arrays(backend, activation, c.dtype);
  const CasePack pack(c);
  const auto placed = backend.place(pack.pack(), heads_of(c), {&c.window, 1});
  const int tokens = static_cast<int>(pack.ids.size()), scored = static_cast<int>(pack.rows.size());
  const View dx = arrays.random_rows(tokens, c.shape.dim), dtable = arrays.random_rows(c.shape.vocab, c.shape.dim);
  ops.scatter_rows(*placed, arrays.random_rows(scored, c.shape.dim), dx);
  ops.embed_backward(*placed, dx, dtable);
  const View rounded = arrays.empty(tokens, c.shape.dim, arrays.activation()), zero = arrays.random_rows(7, 5);
  ops.convert(dx, rounded);
  ops.fill_zero(zero);
  return {arrays.read("dx", dx), arrays.read("dtable", dtable), arrays.read("rounded", rounded),
          arrays.read("zero", zero)};
}

std::vector<Output> head_loss(Backend& backend, const BackwardCase& c, DType activation) {
  BackwardOps& ops = *backend.backward();
  Arrays arrays(backend, activation, c.dtype);
  const int scored = static_cast<int>(CasePack(c).rows.size()), vocab = c.shape.vocab, dim = c.shape.dim;
  Matrix& w = arrays.matrix(random(size_t(vocab) * dim, 5, 1, c.dtype), vocab, dim, MatrixKind::kPlain, c);
  Matrix& w_t = arrays.matrix({}, dim, vocab, MatrixKind::kPlain, c);
  ops.transpose(w, w_t);
  std::vector<int32_t> targets;
  for (int i = 0; i < scored; i++) targets.push_back((i * 131 + 7) % vocab);
  const std::vector<float> weights = random(scored, 6, 1);
  const View dh = arrays.random_rows(scored, dim), dw = arrays.random_rows(vocab, dim);
  const HeadLoss loss =
      ops.head_loss(arrays.random_activations(scored, dim), w, w_t, targets, weights, dh, dw, Control());
  return {{"loss", {static_cast<float>(loss.loss)}},
          {"correct", {static_cast<float>(loss.correct)}},
          arrays.read("dh", dh),
          arrays.read("dw", dw)};
}

std::vector<Output> rms_norm_backward(Backend& backend, const BackwardCase& c, DType activation) {
  Arrays arrays(backend, activation, c.dtype);
  const int tokens = static_cast<int>(CasePack(c).ids.size()), dim = c.shape.dim;
  const View x = arrays.random_rows(tokens, dim), w = arrays.random_rows(1, dim, 2);
  const View dy = arrays.random_rows(tokens, dim), dx = arrays.random_rows(tokens, dim);
  const View dw = arrays.random_rows(1, dim);
  backend.backward()->rms_norm_backward(x, w, kEps, dy, dx, dw);
  return {arrays.read("dx", dx), arrays.read("dw", dw)};
}

std::vector<Output> linear_backward(Backend& backend, const BackwardCase& c, DType activation) {
  Arrays arrays(backend, activation, c.dtype);
  const int tokens = static_cast<int>(CasePack(c).ids.size());
  const View dy = arrays.random_activations(tokens, c.shape.ffn), a = arrays.random_activations(tokens, c.shape.dim);
  const View dw = arrays.random_rows(c.shape.ffn, c.shape.dim), dbias = arrays.random_rows(1, c.shape.ffn);
  BackwardOps& ops = *backend.backward();
  ops.linear_backward(dy, a, dw, dbias);
  // as adapters have them
  const int rank = 1 + c.shape.dim % 9;
  const View thin = arrays.random_activations(tokens, rank);
  const View few_rows = arrays.random_rows(rank, c.shape.dim), few_columns = arrays.random_rows(c.shape.ffn, rank);
  ops.linear_backward(thin, a, few_rows, {});
  ops.linear_backward(dy, thin, few_columns, {});
  return {arrays.read("dw", dw), arrays.read("dbias", dbias), arrays.read("dw of few rows", few_rows),
          arrays.read("dw of few columns", few_columns)};
}

// A product into a part of wider rows, as adapters make them: a with a factor, and their transposed copies.
std::vector<Output> products(Backend& backend, const BackwardCase& c, DType activation) {
  BackwardOps& ops = *backend.backward();
  Arrays arrays(backend, activation, c.dtype);
  const int tokens = static_cast<int>(CasePack(c).ids.size()), dim = c.shape.dim, rank = 1 + dim % 7, first = 3;
  const View master = arrays.random_rows(rank, dim), x = arrays.random_activations(tokens, dim);
  Matrix& a = arrays.matrix({}, rank, dim, MatrixKind::kPlain, c);
  Matrix& a_t = arrays.matrix({}, dim, rank, MatrixKind::kPlain, c);
  ops.repack(a, master, 0.375f);
  ops.repack_transposed(a_t, master, 1.5f);
  const View z = arrays.empty(tokens, rank, arrays.activation()), y = arrays.random_rows(tokens, first + dim + 2);
  ops.product(x, a, false, 0, z);
  const View exact = arrays.random_activations(tokens, rank);
  ops.product(exact, a_t, true, first, y);
  const View over = arrays.random_rows(tokens, first + dim + 2), part = arrays.empty(tokens, dim, arrays.activation());
  ops.product(exact, a_t, false, first, over);
  ops.convert(over, part, first);
  return {arrays.read("z", z), arrays.read("y", y), arrays.read("written over", over), arrays.read("columns", part)};
}

std::vector<Output> swiglu_backward(Backend& backend, const BackwardCase& c, DType activation) {
  Arrays arrays(backend, activation, c.dtype);
  const int tokens = static_cast<int>(CasePack(c).ids.size()), ffn = c.shape.ffn, dim = c.shape.dim;
  Matrix& w = arrays.matrix(random(size_t(2) * ffn * dim, 5, 0.3f, c.dtype), 2 * ffn, dim, MatrixKind::kGateUp, c);
  const View gate_up = arrays.empty(tokens, 2 * ffn), bias = arrays.random_rows(1, 2 * ffn);
  const View addend = arrays.random_rows(tokens, 2 * ffn), h = arrays.random_activations(tokens, dim);
  const View forward = arrays.empty(tokens, ffn, arrays.activation());
  backend.swiglu(h, w, bias, forward, addend, gate_up);
  const View df = arrays.random_rows(tokens, ffn);
  const View f = arrays.empty(tokens, ffn, arrays.activation());
  const View dgate_up = arrays.empty(tokens, 2 * ffn, arrays.activation());
  backend.backward()->swiglu_backward(gate_up, df, f, dgate_up);
  return {arrays.read("gate_up", gate_up), arrays.read("f of the forward pass", forward), arrays.read("f", f),
          arrays.read("dgate_up", dgate_up)};
}

std::vector<Output> attention_backward(Backend& backend, const BackwardCase& c, DType activation) {
  Arrays arrays(backend, activation, c.dtype);
  const CasePack pack(c);
  const HeadShape heads = heads_of(c);
  const auto placed = backend.place(pack.pack(), heads, {&c.window, 1});
  const int tokens = static_cast<int>(pack.ids.size());
  const int q_dim = heads.heads * heads.head_dim, kv_dim = heads.kv_heads * heads.head_dim;
  const View q = arrays.random_rows(tokens, q_dim), k = arrays.random_rows(tokens, kv_dim, 2);
  const View v = arrays.random_rows(tokens, kv_dim);
  const View out = arrays.empty(tokens, q_dim, arrays.activation()), log_sums = arrays.empty(tokens, heads.heads);
  backend.attention(*placed, q, k, v, nullptr, 0, heads, c.window, out, log_sums);
  const View dout = arrays.random_rows(tokens, q_dim), dqkv = arrays.empty(tokens, q_dim + 2 * kv_dim);
  backend.backward()->attention_backward(*placed, q, k, v, out, log_sums, dout, heads, c.window, dqkv);
  const Output before = arrays.read("dqkv", dqkv);
  backend.backward()->rope_backward(*placed, rope_of(arrays, pack, heads.head_dim), heads, dqkv);
  return {arrays.read("log_sums", log_sums), before, arrays.read("dqkv before the rotation", dqkv)};
}

std::vector<Output> adamw(Backend& backend, const BackwardCase& c, DType activation) {
  Arrays arrays(backend, activation, c.dtype);
  const int rows = c.shape.ffn, cols = c.shape.dim;
  const View w = arrays.random_rows(rows, cols), gradient = arrays.random_rows(rows, cols);
  const View m = arrays.random_rows(rows, cols),
             v = arrays.put(std::vector<float>(size_t(rows) * cols, 0.25f), rows, cols);
  AdamW options;
  options.step = 3;
  options.lr = 0.01;
  options.weight_decay = 0.1;
  options.scale = 0.7f;
  backend.backward()->adamw(w, gradient, m, v, options);
  const auto squares = static_cast<float>(backend.backward()->sum_squares(gradient));
  return {arrays.read("w", w), arrays.read("m", m), arrays.read("v", v), {"squares", {squares}}};
}

}  // namespace

CasePack::CasePack(const BackwardCase& c) {
  Random source(9);
  int tokens = 0;
  for (const bench::TreeSpec& spec : c.trees) {
    Tree tree = {.start = tokens, .end = 0, .prefix_len = spec.prefix};
    const auto add = [&](int count, int position) {
      const int start = tokens;
      for (int i = 0; i < count; i++, tokens++) {
        branch_start.push_back(start);
        pos.push_back(position + i);
        ids.push_back(static_cast<int32_t>(source.next() % c.shape.vocab));
      }
    };
    add(spec.prefix, 0);
    for (const int length : spec.branches) add(length, spec.prefix);
    tree.end = tokens;
    trees.push_back(tree);
  }
  for (int i = 0; i < tokens; i++) rows.push_back(i * 7 / 5 % tokens);
}

const std::vector<BackwardOp> kBackwardOps = {{"weights", weights},
                                              {"rows", rows},
                                              {"head_loss", head_loss},
                                              {"rms_norm_backward", rms_norm_backward},
                                              {"linear_backward", linear_backward},
                                              {"products", products},
                                              {"swiglu_backward", swiglu_backward},
                                              {"attention_backward", attention_backward},
                                              {"adamw", adamw}};

void compare(const std::string& what, const std::vector<Output>& own, const std::vector<Output>& want,
             DType activation) {
  const double share = activation == DType::kBFloat16 ? 1.0 / 64 : 2e-5;
  for (size_t o = 0; o < want.size(); o++) {
    const std::vector<float>&got = own[o].values, &expected = want[o].values;
    double largest = 0, worst = 0;
    for (size_t i = 0; i < expected.size(); i++) {
      largest = std::max(largest, std::fabs(double{expected[i]}));
      const double error = std::fabs(double{got[i]} - expected[i]);
      worst = error <= worst ? worst : error;  // a NaN is the worst
    }
    check(worst <= share * largest, "%s: %s is off by %.3g of the largest, want %.3g at most", what.c_str(),
          own[o].name.c_str(), worst / largest, share);
  }
}

}  // namespace mt::test
