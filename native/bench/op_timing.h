// Times one op on one backend, once the reference has agreed with what it computes.
#pragma once
#include "../base/control.h"
#include "op_run.h"

namespace mt::bench {

struct OpTiming {
  double median = 0;  // seconds a run
  double low = 0;     // 10th percentile
  double high = 0;    // 90th percentile
  int runs = 0;
  double flops = 0;          // of a run: see OpRun
  double bytes = 0;          // of a run
  double memory_bytes = 0;   // of a run
  bool from_memory = false;  // whether those came from memory and not, being few, from a cache
  int rows_checked = 0;      // of the output
};

// Times runs for about `seconds` and at least five times. Weights come from memory: see OpRun::rotate().
// Throws INTERNAL where the result is wrong, ABORTED, OUT_OF_MEMORY.
OpTiming time_op(Backend& backend, const OpCase& c, double seconds, const Control& control);

}  // namespace mt::bench
