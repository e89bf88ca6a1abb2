// The buffers of a product, and each epilogue once more in plain C++.
#include "gpu_product.h"

#include <cmath>

#include "base/dtype.h"

namespace mt::bench {
namespace {

using MT_TARGET::HeadPartial;
using MT_TARGET::kHeadColumns;

constexpr int kPositions = 512;
constexpr float kWeightScale = 0.02f;

float to_float(bf16 x) { return bf16_to_f32(x.bits); }
float to_float(f16 x) { return f16_to_f32(x.bits); }

// The largest difference of an element of c. Both sides sum in float32 but in different orders; |a| <= 1 and
// |b| <= kWeightScale.
double tolerance(int k) { return k * double{kWeightScale} * 0x1p-19; }

// The larger of two numbers, or NaN if one of them is NaN.
double worse(double worst, double error) { return error > worst || std::isnan(error) ? error : worst; }

double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace

template <class T>
Product<T>::Product(Device& device, const ProductShape& shape, int m) : device_(device), shape_(shape), m_(m) {
  const int64_t n = shape.n, k = shape.k;
  const double bytes = static_cast<double>((m * k + n * k) * sizeof(T));
  // As many copies that more than twice the L2 is read between two runs on the same copy.
  copies_ = 1 + static_cast<int>(std::ceil(2 * static_cast<double>(device.info().l2_bytes) / bytes));
  a_ = std::make_unique<Array<T>>(device, copies_ * m * k);
  b_ = std::make_unique<Array<T>>(device, copies_ * n * k);
  fill_random(device, a_->get(), a_->count, 1, 1);
  fill_random(device, b_->get(), b_->count, 2, kWeightScale);
  switch (shape.epilogue) {
    case Epilogue::kLinearAdd:  // one more copy, which no run changes
      x_ = std::make_unique<Array<float>>(device, (copies_ + 1) * m * n);
      for (int copy = 0; copy <= copies_; copy++) fill_random(device, x_->get() + copy * m * n, m * n, 3, 1);
      break;
    case Epilogue::kSwiglu:
      f_ = std::make_unique<Array<T>>(device, copies_ * m * n / 2);
      break;
    case Epilogue::kQkv: {
      x_ = std::make_unique<Array<float>>(device, copies_ * m * n);
      std::vector<int32_t> pos(m);
      for (int i = 0; i < m; i++) pos[i] = i % kPositions;
      for (int position = 0; position < kPositions; position++)
        for (int i = 0; i < shape.head_dim / 2; i++) {
          const double angle = position * std::pow(1e4, -2.0 * i / shape.head_dim);
          cosines_.push_back(static_cast<float>(std::cos(angle)));
          sines_.push_back(static_cast<float>(std::sin(angle)));
        }
      pos_ = std::make_unique<Array<int32_t>>(device, m);
      cos_ = std::make_unique<Array<float>>(device, cosines_.size());
      sin_ = std::make_unique<Array<float>>(device, sines_.size());
      device.upload(pos_->get(), pos.data(), pos.size() * sizeof(int32_t));
      device.upload(cos_->get(), cosines_.data(), cosines_.size() * sizeof(float));
      device.upload(sin_->get(), sines_.data(), sines_.size() * sizeof(float));
      break;
    }
    case Epilogue::kHead: {
      std::vector<int32_t> targets(m);
      for (int i = 0; i < m; i++) targets[i] = static_cast<int32_t>(int64_t{i} * 7919 % n);
      partials_ = std::make_unique<Array<HeadPartial>>(device, int64_t{m} * MT_TARGET::head_partials_per_row(shape.n));
      target_logits_ = std::make_unique<Array<float>>(device, m);
      targets_ = std::make_unique<Array<int32_t>>(device, m);
      device.upload(targets_->get(), targets.data(), targets.size() * sizeof(int32_t));
      break;
    }
  }
  device.wait();
}

template <class T>
void Product<T>::run(int copy) {
  const MT_TARGET::GemmOperands<T> g = {a(copy), b(copy), m_, shape_.n, shape_.k, shape_.k, MT_TARGET::Tiling::kAuto};
  const int64_t outputs = int64_t{m_} * shape_.n, at = copy % copies_;
  switch (shape_.epilogue) {
    case Epilogue::kLinearAdd:
      return MT_TARGET::linear_add(device_, g, nullptr, x_->get() + at * outputs);
    case Epilogue::kSwiglu:
      return MT_TARGET::swiglu(device_, g, nullptr, shape_.n / 2, f_->get() + at * outputs / 2);
    case Epilogue::kQkv: {
      const int heads = shape_.n / 3 / shape_.head_dim;
      const MT_TARGET::RopeArguments rope = {pos_->get(), cos_->get(), sin_->get(), heads, heads, shape_.head_dim};
      float* const q = x_->get() + at * outputs;
      return MT_TARGET::qkv(device_, g, nullptr, rope, q, q + outputs / 3, q + 2 * (outputs / 3));
    }
    case Epilogue::kHead:
      return MT_TARGET::head_partials(device_, g, targets_->get(), partials_->get(), target_logits_->get());
  }
}

template <class T>
double Product<T>::worst_error(int first, int count, const std::vector<float>& c) {
  switch (shape_.epilogue) {
    case Epilogue::kLinearAdd:
      return worst_linear_add(first, count, c);
    case Epilogue::kSwiglu:
      return worst_swiglu(first, count, c);
    case Epilogue::kQkv:
      return worst_qkv(first, count, c);
    case Epilogue::kHead:
      return worst_head(first, count, c);
  }
  return NAN;
}

template <class T>
double Product<T>::worst_linear_add(int first, int count, const std::vector<float>& c) {
  const int64_t n = shape_.n, at = first * n, length = count * n;
  const std::vector<float> got = x_->read(device_, at, length);
  const std::vector<float> start = x_->read(device_, copies_ * m_ * n + at, length);
  double worst = 0;
  for (int64_t i = 0; i < length; i++)
    worst = worse(worst, std::fabs(got[i] - (double{start[i]} + c[i])) / tolerance(shape_.k));
  return worst;
}

template <class T>
double Product<T>::worst_swiglu(int first, int count, const std::vector<float>& c) {
  const int64_t ffn = shape_.n / 2;
  const std::vector<T> got = f_->read(device_, first * ffn, count * ffn);
  double worst = 0;
  for (int64_t r = 0; r < count; r++)
    for (int64_t i = 0; i < ffn; i++) {
      const float* group = &c[r * shape_.n + i / 8 * 16];
      const double gate = group[i % 8], up = group[8 + i % 8], want = silu(gate) * up;
      const double allowed = (1.1 * std::fabs(up) + std::fabs(gate) + 1e-3) * tolerance(shape_.k) +
                             std::fabs(want) * (std::is_same_v<T, bf16> ? 0x1p-8 : 0x1p-11) + 0x1p-24;
      worst = worse(worst, std::fabs(to_float(got[r * ffn + i]) - want) / allowed);
    }
  return worst;
}

template <class T>
double Product<T>::worst_qkv(int first, int count, const std::vector<float>& c) {
  const int64_t third = shape_.n / 3, d = shape_.head_dim, half = d / 2;
  double worst = 0;
  for (int part = 0; part < 3; part++) {
    const std::vector<float> got = x_->read(device_, part * m_ * third + first * third, count * third);
    for (int64_t r = 0; r < count; r++) {
      const int64_t position = (first + r) % kPositions;
      for (int64_t i = 0; i < third; i++) {
        // In groups of 16 rows, row i of a head's first half lies 8 rows before its partner in the second half.
        const int64_t head = i / d, of_half = i % half;
        const float* group = &c[r * shape_.n + part * third + head * d + of_half / 8 * 16];
        const double low = group[of_half % 8], high = group[8 + of_half % 8];
        const double cosine = cosines_[position * half + of_half], sine = sines_[position * half + of_half];
        const bool is_low = i % d < half;
        double want = is_low ? low : high;
        if (part < 2) want = is_low ? low * cosine - high * sine : high * cosine + low * sine;
        worst = worse(worst, std::fabs(got[r * third + i] - want) / (2 * tolerance(shape_.k)));
      }
    }
  }
  return worst;
}

template <class T>
double Product<T>::worst_head(int first, int count, const std::vector<float>& c) {
  const int per_row = MT_TARGET::head_partials_per_row(shape_.n);
  const std::vector<HeadPartial> got = partials_->read(device_, int64_t{first} * per_row, int64_t{count} * per_row);
  const std::vector<float> logits = target_logits_->read(device_, first, count);
  const std::vector<int32_t> targets = targets_->read(device_, first, count);
  const double allowed = tolerance(shape_.k) + 1e-5;
  double worst = 0;
  for (int64_t r = 0; r < count; r++) {
    const float* row = &c[r * shape_.n];
    for (int p = 0; p < per_row; p++) {
      const HeadPartial& partial = got[r * per_row + p];
      const int begin = p * kHeadColumns, end = std::min(shape_.n, begin + kHeadColumns);
      const double largest = *std::max_element(row + begin, row + end);
      double sum = 0;
      for (int i = begin; i < end; i++) sum += std::exp(row[i] - largest);
      worst = worse(worst, std::fabs(partial.largest + std::log(partial.sum) - (largest + std::log(sum))) / allowed);
      const bool inside = partial.argmax >= begin && partial.argmax < end;
      worst = worse(worst, inside ? std::fabs(row[partial.argmax] - largest) / (2 * allowed) : INFINITY);
    }
    worst = worse(worst, std::fabs(double{logits[r]} - row[targets[r]]) / allowed);
  }
  return worst;
}

template class Product<bf16>;
template class Product<f16>;

}  // namespace mt::bench
