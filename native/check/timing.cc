// Compares the op's result with the reference, then times the op.
#include "timing.h"

#include <algorithm>
#include <chrono>

#include "compare.h"

namespace mt::check {
namespace {

// Bytes of all copies of a weight: more than caches hold, and as much as the read peak goes through.
constexpr size_t kRotated = size_t{512} << 20;
// Seconds of a group of runs. Groups are timed as a whole, so that waiting for a GPU does not count.
constexpr double kGroup = 200e-6;
constexpr size_t kFewestGroups = 5;
// Rows of which an op is checked that sums over rows, or moves them: with many the reference takes too long.
constexpr int kCheckedRows = 64;

double time_runs(Backend& backend, OpRun& run, int count) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (int i = 0; i < count; i++) run.run();
  backend.wait();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The case with its first rows only, if it is one sequence.
OpCase first_rows(OpCase c, int rows) {
  if (c.trees.size() == 1 && c.trees[0].prefix == 0 && c.trees[0].branches.size() == 1)
    c.trees[0].branches[0] = std::min(c.trees[0].branches[0], rows);
  return c;
}

int check(OpRun& run, const OpKind& kind, const OpCase& c) {
  const bool whole = kind.enough_rows == OpKind::kAllRows;
  const OpCase less = first_rows(c, whole ? kCheckedRows : kind.enough_rows);
  const std::unique_ptr<OpRun> small = whole ? kind(run.backend(), less) : nullptr;
  OpRun& checked = small ? *small : run;
  checked.run();
  const Wanted wanted(kind, less, run.activation());
  const std::string wrong = mismatch(checked, wanted);
  if (!wrong.empty()) throw Error(ErrorCode::INTERNAL, "a wrong result, so nothing was timed: " + wrong);
  return wanted.run->tokens();
}

}  // namespace

OpTiming time_op(Backend& backend, const OpKind& kind, const OpCase& c, double seconds, const Control& control) {
  const std::unique_ptr<OpRun> owned = kind(backend, c);
  OpRun& run = *owned;
  control.poll();
  OpTiming timing;
  timing.rows_checked = check(run, kind, c);
  control.poll();
  timing.from_memory = run.rotate(kRotated);
  const int group = static_cast<int>(std::clamp(kGroup / time_runs(backend, run, 1), 1.0, 1e4));
  std::vector<double> times;
  for (double spent = 0; times.size() < kFewestGroups || spent < seconds;) {
    control.poll();
    const double time = time_runs(backend, run, group);
    spent += time;
    times.push_back(time / group);
    control.report(static_cast<uint64_t>(1e6 * std::min(spent, seconds)), static_cast<uint64_t>(1e6 * seconds) + 1);
  }
  std::sort(times.begin(), times.end());
  timing.median = times[times.size() / 2];
  timing.low = times[times.size() / 10];
  timing.high = times[times.size() - 1 - times.size() / 10];
  timing.runs = static_cast<int>(times.size()) * group;
  timing.flops = run.flops();
  timing.bytes = run.bytes();
  timing.memory_bytes = run.memory_bytes();
  return timing;
}

}  // namespace mt::check
