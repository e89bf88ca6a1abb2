// Times one op on one backend, after its result has been compared with the reference.
#pragma once
#include "../base/control.h"
#include "op_run.h"

namespace mt::check {

struct OpTiming {
  double median = 0;  // seconds of a run
  double low = 0;     // 10th percentile
  double high = 0;    // 90th percentile
  int runs = 0;
  double flops = 0;  // these three are what OpRun counts for a run
  double bytes = 0;
  double memory_bytes = 0;
  bool from_memory = false;  // whether memory_bytes came from memory; few bytes come from a cache
  int rows_checked = 0;      // rows of the output that were compared with the reference
};

// Times runs for about `seconds`, at least five times. Weights come from memory (OpRun::rotate()).
// Throws INTERNAL if the result is wrong, ABORTED, OUT_OF_MEMORY.
OpTiming time_op(Backend& backend, const OpKind& kind, const OpCase& c, double seconds, const Control& control);

}  // namespace mt::check
