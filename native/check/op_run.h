// One op on one backend: set up at a case, run, held to the reference, counted. Its numbers are made from seeds and are
// the same for all backends. Each op is a class in ops/.
#pragma once
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "../backend/backend.h"
#include "case.h"

namespace mt::check {

constexpr float kNormEps = 1e-5f;      // of all norms
constexpr double kHalfUnit = 0x1p-24;  // half a unit in the last place of 1

// One array that an op has written.
struct Output {
  std::string name;
  int cols = 1;
  std::vector<float> values;  // [rows, cols]
};

// Collects numbers that are out of their bounds.
class Judge {
 public:
  // A NaN is out of every bound.
  void add(const Output& output, size_t index, double got, double want, double error, double bound);
  void add(const Output& want, size_t index, double got, double bound) {
    add(want, index, got, want.values[index], std::abs(got - want.values[index]), bound);
  }
  // The worst of them; empty if there are none.
  std::string verdict() const;

 private:
  size_t count_ = 0, out_ = 0;
  double worst_share_ = 0;
  std::string worst_;
};

class OpRun {
 public:
  static constexpr size_t kMaxCopies = 4096;

  // Activations are rounded to `rounding`, for comparison with a backend that has that type.
  OpRun(Backend& backend, const OpCase& c, DType rounding);
  virtual ~OpRun() = default;
  OpRun(const OpRun&) = delete;
  OpRun& operator=(const OpRun&) = delete;

  // Runs the op; after rotate(), on the next copy of the weights. The ops of the head poll `control`.
  virtual void run(const Control& control = Control()) = 0;
  virtual std::vector<Output> outputs() = 0;

  // Operations of one run, a multiply-add counting as two; 0 for ops that only move numbers.
  virtual double flops() const { return 0; }
  // Bytes that one run must read or write at least once.
  virtual double bytes() const = 0;
  // The part of them that rotate() keeps out of caches: weights, or cached keys and values.
  virtual double memory_bytes() const { return 0; }
  // Copies those until there are `bytes` of them or kMaxCopies. Runs take the copies in turn, so that they read from
  // memory and not from a cache, as the layers of a model do.
  // Returns whether there are `bytes`; fewer may stay in caches.
  bool rotate(size_t bytes);

  // Holds what `other` has computed to `want`, the outputs of this run, which is the reference's and may have fewer
  // rows.
  virtual void judge(const std::vector<Output>& want, OpRun& other, Judge& judge);

  const OpCase& at() const { return case_; }
  Backend& backend() const { return backend_; }
  int tokens() const { return static_cast<int>(pack_.ids.size()); }
  // The type of the backend's activations.
  DType activation() const { return activation_; }

 protected:
  struct Element {
    int output;
    int row;
    int col;
    double want;
    double largest;  // of the output
  };
  // How far two right results may be apart. By default a share of the output's largest number: sums of float32 differ
  // by their order; what is rounded to bfloat16 may fall to either side.
  virtual double bound(const Element& e) const;
  // What rounding a number to the activations' type may do: it may fall on the other side of a tie, which is one unit
  // in the last of its 8, 11 or 24 bits.
  double rounding(double want) const;
  virtual void add_copy() {}
  virtual size_t copies() const { return 1; }

  // New arrays, off their alignment by none, one or two times case_.shift bytes in turn.
  View empty(int rows, int cols, DType dtype = DType::kFloat32);
  View put(const std::vector<float>& values, int cols, DType dtype = DType::kFloat32);
  // Of new random numbers in -scale .. scale.
  View random_rows(int rows, int cols, float scale = 1);
  View random_activations(int rows, int cols);
  std::vector<float> read(View view);
  Output output(const char* name, View view) { return {name, view.cols, read(view)}; }
  // Of the case's dtype. `values` [rows, cols] may be null.
  std::unique_ptr<Matrix> matrix(const float* values, int rows, int cols, MatrixKind kind);
  RopeTable rope();
  static double bytes_of(View view) { return double(view.rows) * view.cols * dtype_size(view.dtype); }

  Backend& backend_;
  const OpCase case_;
  const HeadShape heads_;
  const int q_dim_, kv_dim_;
  const DType activation_, rounding_;
  const CasePack pack_;
  std::unique_ptr<PlacedPack> placed_;

 private:
  uint64_t seed_ = 100;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

struct OpKind {
  const char* name;
  std::unique_ptr<OpRun> (*make)(Backend& backend, const OpCase& c, DType rounding);
  bool is_product = false;  // of rows with a weight
  static constexpr int kAllRows = 0;
  // Rows that suffice to show that a long pack is right, where a row depends on itself alone or on those before it.
  int enough_rows = kAllRows;

  std::unique_ptr<OpRun> operator()(Backend& backend, const OpCase& c) const {
    return make(backend, c, backend.activation_dtype(c.dtype));
  }
};

template <class Run>
std::unique_ptr<OpRun> make_run(Backend& backend, const OpCase& c, DType rounding) {
  return std::make_unique<Run>(backend, c, rounding);
}

}  // namespace mt::check
