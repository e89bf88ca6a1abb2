// What the processor can do at most, measured in the run that reports shares of it.
#pragma once
#include <string>
#include <vector>

namespace mt::bench {

struct Peak {
  std::string name;  // "fp32 FMA avx512", "dpbf16", "amx bf16", "read"
  double value;      // GFLOP/s, or GB/s for "read"
};

// With `threads` threads. Only what the processor has.
std::vector<Peak> measure_peaks(int threads);

}  // namespace mt::bench
