// The backward ops at one shape and pack, with inputs from a seed, on any backend.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "bench/op_case.h"

namespace mt::test {

struct BackwardCase {
  bench::ModelShape shape;
  std::vector<bench::TreeSpec> trees;  // without segments
  DType dtype = DType::kFloat32;       // of weights
  int window = bench::kWholeWindow;
};

// One array that an op has written.
struct Output {
  std::string name;
  std::vector<float> values;
};

struct BackwardOp {
  const char* name;
  // Runs it on the backend. Activations are rounded to `activation`, so that backends get the same numbers.
  std::function<std::vector<Output>(Backend& backend, const BackwardCase& c, DType activation)> run;
};

extern const std::vector<BackwardOp> kBackwardOps;

// Checks `own` against the reference's. Rounding may change a number by some share of the largest of its array: sums of
// float32 differ by their order; in bfloat16 what is rounded may fall to either side.
void compare(const std::string& what, const std::vector<Output>& own, const std::vector<Output>& want,
             DType activation);

// The pack of a case, with a scored row of each kind: some rows twice, some never.
struct CasePack {
  explicit CasePack(const BackwardCase& c);
  Pack pack() const { return {ids, pos, branch_start, trees, rows}; }

  std::vector<int32_t> ids, pos, branch_start, rows;
  std::vector<Tree> trees;
};

}  // namespace mt::test
