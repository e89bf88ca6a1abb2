// What all ops share: packs, arrays and matrices from seeds, and the comparison by bounds.
#include "op_run.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "random.h"

namespace mt::check {

void Judge::add(const Output& output, size_t index, double got, double want, double error, double bound) {
  count_++;
  if (error <= bound) return;
  out_++;
  const double share = std::isnan(error) || bound == 0 ? 1e300 : error / bound;
  if (share <= worst_share_) return;
  worst_share_ = share;
  std::ostringstream s;
  s.precision(9);
  s << output.name << "[" << index / output.cols << ", " << index % output.cols << "] = " << got << ", want " << want
    << " +- " << bound;
  worst_ = s.str();
}

std::string Judge::verdict() const {
  return out_ == 0 ? "" : worst_ + " (" + std::to_string(out_) + " of " + std::to_string(count_) + " out)";
}

OpRun::OpRun(Backend& backend, const OpCase& c, DType rounding)
    : backend_(backend),
      case_(c),
      heads_{c.shape.heads, c.shape.kv_heads, c.shape.head_dim},
      q_dim_(c.shape.heads * c.shape.head_dim),
      kv_dim_(c.shape.kv_heads * c.shape.head_dim),
      activation_(backend.activation_dtype(c.dtype)),
      rounding_(rounding),
      pack_(c.trees, c.shape.vocab) {
  placed_ = backend.place(pack_.pack(), heads_, {&case_.window, 1});
}

bool OpRun::rotate(size_t bytes) {
  const double one = memory_bytes();
  if (one == 0) return false;
  const size_t wanted = std::min(kMaxCopies, static_cast<size_t>(bytes / one) + 1);
  while (copies() < wanted) add_copy();
  return static_cast<double>(wanted) * one >= static_cast<double>(bytes);
}

void OpRun::judge(const std::vector<Output>& want, OpRun& other, Judge& judge) {
  const std::vector<Output> got = other.outputs();
  for (size_t o = 0; o < want.size(); o++) {
    double largest = 0;
    for (const float value : want[o].values) largest = std::max(largest, std::fabs(double{value}));
    for (size_t i = 0; i < want[o].values.size(); i++) {
      const int row = static_cast<int>(i) / want[o].cols, col = static_cast<int>(i) % want[o].cols;
      judge.add(want[o], i, got[o].values[i],
                bound({static_cast<int>(o), row, col, std::fabs(double{want[o].values[i]}), largest}));
    }
  }
}

double OpRun::bound(const Element& e) const { return (rounding_ == DType::kBFloat16 ? 1.0 / 64 : 2e-5) * e.largest; }

double OpRun::rounding(double want) const {
  return rounding_ == DType::kBFloat16  ? 0x1p-7 * want
         : rounding_ == DType::kFloat16 ? 0x1p-10 * want + 0x1p-24
                                        : 2 * kHalfUnit * want;
}

View OpRun::empty(int rows, int cols, DType dtype) {
  buffers_.push_back(backend_.allocate(size_t(rows) * cols * dtype_size(dtype) + 64));
  const size_t shift = case_.shift * (buffers_.size() % 3);
  return {static_cast<char*>(buffers_.back()->data()) + shift, rows, cols, dtype};
}

View OpRun::put(const std::vector<float>& values, int cols, DType dtype) {
  const View view = empty(static_cast<int>(values.size() / cols), cols, dtype);
  if (dtype == DType::kFloat32) {
    backend_.upload(view.data, values.data(), values.size() * sizeof(float));
    return view;
  }
  std::vector<uint16_t> halves;
  for (const float f : values) halves.push_back(dtype == DType::kBFloat16 ? f32_to_bf16(f) : f32_to_f16(f));
  backend_.upload(view.data, halves.data(), halves.size() * 2);
  return view;
}

View OpRun::random_rows(int rows, int cols, float scale) {
  return put(random(size_t(rows) * cols, seed_++, scale), cols);
}

View OpRun::random_activations(int rows, int cols) {
  return put(random(size_t(rows) * cols, seed_++, 1, rounding_), cols, activation_);
}

std::vector<float> OpRun::read(View view) {
  const size_t n = size_t(view.rows) * view.cols;
  std::vector<float> x(n);
  if (view.dtype == DType::kFloat32) {
    backend_.download(x.data(), view.data, n * sizeof(float));
    return x;
  }
  std::vector<uint16_t> halves(n);
  backend_.download(halves.data(), view.data, n * 2);
  for (size_t i = 0; i < n; i++) x[i] = view.dtype == DType::kBFloat16 ? bf16_to_f32(halves[i]) : f16_to_f32(halves[i]);
  return x;
}

std::unique_ptr<Matrix> OpRun::matrix(const float* values, int rows, int cols, MatrixKind kind) {
  buffers_.push_back(backend_.allocate(backend_.matrix_bytes(rows, cols, kind, heads_, case_.dtype)));
  auto matrix = backend_.create_matrix(rows, cols, kind, heads_, case_.dtype, buffers_.back()->data());
  if (!values) return matrix;
  // In uneven pieces, the last first: a loader may come with any.
  const int cut = rows / 3;
  backend_.write_rows(*matrix, cut, rows - cut, values + size_t(cut) * cols);
  backend_.write_rows(*matrix, 0, cut, values);
  backend_.finish_rows();
  return matrix;
}

RopeTable OpRun::rope() {
  std::vector<float> cosines, sines;
  const int positions = *std::max_element(pack_.pos.begin(), pack_.pos.end()) + 1, half = heads_.head_dim / 2;
  for (int p = 0; p < positions; p++)
    for (int i = 0; i < half; i++) {
      const double angle = p * std::pow(10000.0, -2.0 * i / heads_.head_dim);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
  return {put(cosines, half), put(sines, half)};
}

}  // namespace mt::check
