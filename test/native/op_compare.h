// Holds what a backend computes of a case to what the reference says of it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "op_run.h"

namespace mt::test {

// What the reference says of a case, for all backends whose activations have the dtype `activation`.
struct Wanted {
  Wanted(const OpCase& c, DType activation);

  std::unique_ptr<Backend> reference;
  OpRun run;
  std::vector<float> values;
  OpCase logits_case;  // head_score only
  std::unique_ptr<OpRun> logits_run;
  std::vector<float> logits;
};

// Runs the case on the backend; a check() fails, naming `variant`, the case and the worst element, where one is out.
void compare(const std::string& variant, Backend& backend, const OpCase& c, const Wanted& wanted);

}  // namespace mt::test
