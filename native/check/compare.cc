#include "compare.h"

#include <sstream>

namespace mt::check {
namespace {

std::string describe(const OpKind& kind, const OpCase& c) {
  std::ostringstream s;
  s << kind.name << " " << c.shape.name << " " << dtype_name(c.dtype) << " trees";
  for (const TreeSpec& t : c.trees) {
    s << " " << t.segment << "+" << t.prefix << "(";
    for (size_t i = 0; i < t.branches.size(); i++) s << (i ? " " : "") << t.branches[i];
    s << ")";
  }
  if (c.shift) s << " shift " << c.shift;
  if (c.bias) s << " bias";
  if (c.head_norms) s << " head norms";
  if (c.window < kWholeWindow) s << " window " << c.window;
  if (c.top_k) s << " top " << c.top_k;
  if (c.adjusted) s << " adjusted";
  return s.str();
}

}  // namespace

Wanted::Wanted(const OpKind& kind_, const OpCase& c, DType activation)
    : kind(kind_), reference(make_reference_backend()), run(kind_.make(*reference, c, activation)) {
  run->run();
  outputs = run->outputs();
}

std::string mismatch(OpRun& run, const Wanted& wanted) {
  Judge judge;
  wanted.run->judge(wanted.outputs, run, judge);
  const std::string verdict = judge.verdict();
  return verdict.empty() ? "" : describe(wanted.kind, run.at()) + ": " + verdict;
}

}  // namespace mt::check
