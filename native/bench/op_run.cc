// One op on one backend, with inputs made from a seed.
#include "op_run.h"

#include <algorithm>
#include <cmath>

#include "random.h"

namespace mt::bench {
namespace {

constexpr float kEps = 1e-5f;  // of all norms

}  // namespace

OpRun::OpRun(Backend& backend, const OpCase& c, DType rounding)
    : backend_(backend),
      case_(c),
      heads_{c.shape.heads, c.shape.kv_heads, c.shape.head_dim},
      activation_(backend.activation_dtype(c.dtype)) {
  make_pack();
  const ModelShape& s = c.shape;
  const int q_dim = s.heads * s.head_dim, kv_dim = s.kv_heads * s.head_dim;
  rows_ = tokens_;
  const auto input = [&](int cols, DType t, DType round_to) {
    input_.rows = random(size_t(tokens_) * cols, 1, 1, round_to);
    x_ = upload(input_.rows, cols, t);
  };
  const auto output = [&](int cols, DType t) {
    width_ = cols;
    y_ = view(tokens_, cols, t);
  };
  switch (c.op) {
    case Op::kEmbed:
      make_weights(s.vocab, s.dim, MatrixKind::kPlain);
      output(s.dim, DType::kFloat32);
      break;
    case Op::kRmsNorm:
      input(s.dim, DType::kFloat32, DType::kFloat32);
      input_.weights = random(s.dim, 2, 2);
      norm_ = upload(input_.weights, s.dim, DType::kFloat32);
      output(s.dim, activation_);
      break;
    case Op::kQkv: {
      input(s.dim, activation_, rounding);
      make_weights(q_dim + 2 * kv_dim, s.dim, MatrixKind::kQkv);
      std::vector<float> cosines, sines;
      const int positions = *std::max_element(pos_.begin(), pos_.end()) + 1;
      for (int p = 0; p < positions; p++)
        for (int i = 0; i < s.head_dim / 2; i++) {
          const double angle = p * std::pow(10000.0, -2.0 * i / s.head_dim);
          cosines.push_back(static_cast<float>(std::cos(angle)));
          sines.push_back(static_cast<float>(std::sin(angle)));
        }
      finish_.bias = bias_;
      finish_.rope = {upload(cosines, s.head_dim / 2, DType::kFloat32), upload(sines, s.head_dim / 2, DType::kFloat32)};
      if (c.head_norms) {
        finish_.eps = kEps;
        input_.q_norm = random(s.head_dim, 7, 2);
        input_.k_norm = random(s.head_dim, 8, 2);
        finish_.q_norm = upload(input_.q_norm, s.head_dim, DType::kFloat32);
        finish_.k_norm = upload(input_.k_norm, s.head_dim, DType::kFloat32);
      }
      width_ = q_dim + 2 * kv_dim;
      q_ = view(tokens_, q_dim, DType::kFloat32);
      k_ = view(tokens_, kv_dim, DType::kFloat32);
      v_ = view(tokens_, kv_dim, DType::kFloat32);
      break;
    }
    case Op::kAttention:
    case Op::kAppendKv: {
      input(q_dim, DType::kFloat32, DType::kFloat32);
      input_.k = random(size_t(cache_rows_ + tokens_) * kv_dim, 3, 2);
      input_.v = random(size_t(cache_rows_ + tokens_) * kv_dim, 4, 1);
      const size_t cached = size_t(cache_rows_) * kv_dim;
      k_ = upload({input_.k.begin() + cached, input_.k.end()}, kv_dim, DType::kFloat32);
      v_ = upload({input_.v.begin() + cached, input_.v.end()}, kv_dim, DType::kFloat32);
      if (c.op == Op::kAppendKv) {
        caches_ = {{{view(tokens_, kv_dim, DType::kFloat32)}, {view(tokens_, kv_dim, DType::kFloat32)}}};
        width_ = 2 * kv_dim;
        break;
      }
      if (cache_rows_ > 0) add_cache();
      output(q_dim, activation_);
      break;
    }
    case Op::kOut:
    case Op::kDown: {
      const int in = c.op == Op::kOut ? q_dim : s.ffn;
      input(in, activation_, rounding);
      make_weights(s.dim, in, MatrixKind::kPlain);
      input_.start = random(size_t(tokens_) * s.dim, 5, 1);
      width_ = s.dim;
      y_ = upload(input_.start, s.dim, DType::kFloat32);
      break;
    }
    case Op::kSwiglu:
      input(s.dim, activation_, rounding);
      make_weights(2 * s.ffn, s.dim, MatrixKind::kGateUp);
      output(s.ffn, activation_);
      break;
    case Op::kGather:
      input(s.dim, DType::kFloat32, DType::kFloat32);
      output(s.dim, DType::kFloat32);
      break;
    case Op::kHeadScore:
    case Op::kHeadLogits:
      input(s.dim, activation_, rounding);
      make_weights(s.vocab, s.dim, MatrixKind::kPlain);
      width_ = c.op == Op::kHeadLogits ? s.vocab : 2 + 2 * c.top_k;
      host_.resize(c.op == Op::kHeadLogits ? size_t(tokens_) * s.vocab : tokens_);
      argmax_.resize(tokens_);
      top_ids_.resize(size_t(tokens_) * c.top_k);
      top_log_prob_.resize(top_ids_.size());
      for (int i = 0; i < tokens_; i++) targets_.push_back((i * 131 + 7) % s.vocab);
      break;
    case Op::kHeadSample:
      input(s.dim, activation_, rounding);
      make_weights(s.vocab, s.dim, MatrixKind::kPlain);
      width_ = 2;
      host_.resize(tokens_);
      chosen_.resize(tokens_);
      for (int i = 0; i < tokens_; i++) draws_.push_back(random_bits(7, i, 0));
      break;
  }
}

void OpRun::make_pack() {
  Random source(9);
  for (const TreeSpec& spec : case_.trees) {
    Tree tree = {tokens_, 0, spec.prefix, cache_rows_, spec.segment};
    cache_rows_ += spec.segment;
    const auto add = [&](int count, int position) {
      const int branch_start = tokens_;
      for (int i = 0; i < count; i++, tokens_++) {
        branch_start_.push_back(branch_start);
        pos_.push_back(position + i);
        ids_.push_back(static_cast<int32_t>(source.next() % case_.shape.vocab));
      }
    };
    add(spec.prefix, spec.segment);
    for (const int length : spec.branches) add(length, spec.segment + spec.prefix);
    tree.end = tokens_;
    trees_.push_back(tree);
  }
  std::vector<int32_t> rows, cache_rows;
  for (int i = 0; i < tokens_; i++) {
    rows.push_back((i * 7 + 3) % tokens_);
    cache_rows.push_back(tokens_ - 1 - i);
  }
  pack_ = backend_.place({ids_, pos_, branch_start_, trees_, rows, cache_rows}, heads_, {&case_.window, 1});
}

void OpRun::make_weights(int out, int in, MatrixKind kind) {
  const auto& c = case_;
  std::vector<float> values = random(size_t(out) * in, 2, 1);
  add_matrix(values.data(), out, in, kind);
  for (float& f : values) f = round_to(f, c.dtype);
  input_.weights = std::move(values);
  if (c.bias) {
    input_.bias = random(out, 6, 1);
    bias_ = upload(input_.bias, out, DType::kFloat32);
  }
}

void OpRun::add_matrix(const float* values, int out, int in, MatrixKind kind) {
  buffers_.push_back(backend_.allocate(backend_.matrix_bytes(out, in, kind, heads_, case_.dtype)));
  matrices_.push_back(backend_.create_matrix(out, in, kind, heads_, case_.dtype, buffers_.back()->data()));
  // In uneven pieces, the last first: a loader may come with any.
  const int cut = out / 3;
  backend_.write_rows(*matrices_.back(), cut, out - cut, values + size_t(cut) * in);
  backend_.write_rows(*matrices_.back(), 0, cut, values);
  backend_.finish_rows();
}

// The first rows of k and v.
void OpRun::add_cache() {
  const int kv_dim = heads_.kv_heads * heads_.head_dim;
  const size_t cached = size_t(cache_rows_) * kv_dim;
  const View k = upload({input_.k.begin(), input_.k.begin() + cached}, kv_dim, DType::kFloat32);
  const View v = upload({input_.v.begin(), input_.v.begin() + cached}, kv_dim, DType::kFloat32);
  caches_.push_back({{k}, {v}});
}

bool OpRun::rotate(size_t bytes) {
  const double one = memory_bytes();
  if (one == 0) return false;
  const size_t copies = std::min(kMaxCopies, static_cast<size_t>(bytes / one) + 1);
  if (case_.op == Op::kAttention) {
    while (caches_.size() < copies) add_cache();
  } else {
    const int out = matrices_[0]->rows, in = matrices_[0]->cols;
    const MatrixKind kind = matrices_[0]->kind;
    while (matrices_.size() < copies) add_matrix(input_.weights.data(), out, in, kind);
  }
  return static_cast<double>(copies) * one >= static_cast<double>(bytes);
}

View OpRun::view(int rows, int cols, DType dtype) {
  buffers_.push_back(backend_.allocate(size_t(rows) * cols * dtype_size(dtype) + 64));
  return {static_cast<char*>(buffers_.back()->data()) + case_.shift, rows, cols, dtype};
}

View OpRun::upload(const std::vector<float>& values, int cols, DType dtype) {
  const View v = view(static_cast<int>(values.size() / cols), cols, dtype);
  if (dtype == DType::kFloat32) {
    backend_.upload(v.data, values.data(), values.size() * 4);
    return v;
  }
  std::vector<uint16_t> halves;
  for (const float f : values) halves.push_back(dtype == DType::kBFloat16 ? f32_to_bf16(f) : f32_to_f16(f));
  backend_.upload(v.data, halves.data(), halves.size() * 2);
  return v;
}

std::vector<float> OpRun::read(View view) {
  const size_t n = size_t(view.rows) * view.cols;
  std::vector<float> x(n);
  if (view.dtype == DType::kFloat32) {
    backend_.download(x.data(), view.data, n * 4);
    return x;
  }
  std::vector<uint16_t> halves(n);
  backend_.download(halves.data(), view.data, n * 2);
  for (size_t i = 0; i < n; i++) x[i] = view.dtype == DType::kBFloat16 ? bf16_to_f32(halves[i]) : f16_to_f32(halves[i]);
  return x;
}

void OpRun::run(const Control& control) {
  const Matrix* matrix = matrices_.empty() ? nullptr : matrices_[turn_ % matrices_.size()].get();
  const KvCache* cache = caches_.empty() ? nullptr : &caches_[turn_ % caches_.size()];
  turn_++;
  switch (case_.op) {
    case Op::kEmbed:
      return backend_.embed(*pack_, *matrix, y_);
    case Op::kRmsNorm:
      return backend_.rms_norm(x_, norm_, kEps, y_);
    case Op::kQkv:
      return backend_.qkv(*pack_, x_, *matrix, finish_, heads_, q_, k_, v_);
    case Op::kAttention:
      return backend_.attention(*pack_, x_, k_, v_, cache, 0, heads_, case_.window, y_);
    case Op::kAppendKv:
      return backend_.append_kv(*pack_, k_, v_, *cache, 0);
    case Op::kOut:
    case Op::kDown:
      return backend_.linear_add(x_, *matrix, bias_, y_);
    case Op::kSwiglu:
      return backend_.swiglu(x_, *matrix, bias_, y_);
    case Op::kGather:
      return backend_.gather_rows(*pack_, x_, y_);
    case Op::kHeadScore:
      return backend_.head_score(x_, *matrix, targets_, case_.top_k, {host_, argmax_, top_ids_, top_log_prob_},
                                 control);
    case Op::kHeadSample:
      return backend_.head_sample(x_, *matrix, sampling(), draws_, chosen_, host_, control);
    case Op::kHeadLogits:
      return backend_.head_logits(x_, *matrix, host_.data(), control);
  }
}

std::vector<float> OpRun::output() {
  if (case_.op == Op::kHeadLogits) return host_;
  std::vector<std::vector<float>> parts;
  if (case_.op == Op::kHeadScore) {
    parts = {host_, {argmax_.begin(), argmax_.end()}, {top_ids_.begin(), top_ids_.end()}, top_log_prob_};
  } else if (case_.op == Op::kHeadSample) {
    parts = {{chosen_.begin(), chosen_.end()}, host_};
  } else if (case_.op == Op::kQkv) {
    parts = {read(q_), read(k_), read(v_)};
  } else if (case_.op == Op::kAppendKv) {
    parts = {read(caches_[0].k[0]), read(caches_[0].v[0])};
  } else {
    parts = {read(y_)};
  }
  std::vector<float> all;
  for (int r = 0; r < rows_; r++)
    for (const auto& part : parts) {
      const size_t cols = part.size() / rows_;
      all.insert(all.end(), part.begin() + r * cols, part.begin() + (r + 1) * cols);
    }
  return all;
}

std::vector<float> OpRun::logits(int rows) {
  std::vector<float> logits(size_t(rows) * case_.shape.vocab);
  backend_.head_logits({x_.data, rows, x_.cols, x_.dtype}, *matrices_[0], logits.data(), Control());
  return logits;
}

// Of queries with the keys that they see.
double OpRun::pairs() const {
  double sum = 0;
  for (const int32_t position : pos_) sum += std::min(position + 1, case_.window);
  return sum;
}

double OpRun::flops() const {
  if (!matrices_.empty() && case_.op != Op::kEmbed) return 2.0 * tokens_ * matrices_[0]->rows * matrices_[0]->cols;
  if (case_.op != Op::kAttention) return 0;
  return 4.0 * pairs() * heads_.heads * heads_.head_dim;
}

double OpRun::memory_bytes() const {
  if (case_.op == Op::kAttention) return 2.0 * cache_rows_ * heads_.kv_heads * heads_.head_dim * sizeof(float);
  if (matrices_.empty() || case_.op == Op::kEmbed) return 0;
  return double(matrices_[0]->rows) * matrices_[0]->cols * dtype_size(case_.dtype);
}

double OpRun::bytes() const {
  double n = double(input_.rows.size()) * dtype_size(x_.dtype) + double(input_.k.size() + input_.v.size()) * 4;
  if (!matrices_.empty() && case_.op != Op::kEmbed) n += memory_bytes();
  if (case_.op == Op::kEmbed) n += double(tokens_) * case_.shape.dim * dtype_size(case_.dtype);
  const bool wide = case_.op == Op::kRmsNorm || case_.op == Op::kSwiglu || case_.op == Op::kAttention;
  return n + double(rows_) * width_ * (wide ? dtype_size(activation_) : 4);
}

}  // namespace mt::bench
