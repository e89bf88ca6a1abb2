// Compares what a backend computes for a case with what the reference computes, element by element. Bounds follow from
// rounding.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "op_run.h"

namespace mt::bench {

// What the reference says of a case, for all backends whose activations have the dtype `activation`.
struct Wanted {
  Wanted(const OpCase& c, DType activation);

  std::unique_ptr<Backend> reference;
  OpRun run;
  std::vector<float> values;
  OpCase logits_case;  // head_score only
  std::unique_ptr<OpRun> logits_run;
  std::vector<float> logits;
  std::vector<float> unnormed;  // qkv with head_norms only: its result without them
};

// The case, the worst element and its bound where the output of `run`, which has run, is out of its bounds; else empty.
// `wanted` may have fewer rows than the run: those are compared. They must have the same inputs in both.
std::string mismatch(OpRun& run, const OpCase& c, const Wanted& wanted);

}  // namespace mt::bench
