// Compares what a backend computes of a case with what the reference computes, element by element.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "op_run.h"

namespace mt::check {

// What the reference says of a case, for all backends whose activations have the dtype `activation`.
struct Wanted {
  Wanted(const OpKind& kind, const OpCase& c, DType activation);

  const OpKind& kind;
  std::unique_ptr<Backend> reference;
  std::unique_ptr<OpRun> run;
  std::vector<Output> outputs;
};

// The case, the worst element and its bound where what `run` has computed is out of its bounds; else empty. `wanted`
// may have fewer rows than the run: those are compared. They must have the same inputs in both.
std::string mismatch(OpRun& run, const Wanted& wanted);

}  // namespace mt::check
