// Times every op of the CPU backend, for work on its kernels. It does what `mt-llama bench --only ops` does, but can
// time one op alone.
//   ops_bench [--json] [--threads N] [--op NAME] [--shape NAME] [--dtype NAME] [--rows N] [--time SECONDS]
// MT_LLAMA_CPU chooses the variant. Shares are of the peak of the instruction that the dtype uses, or of the read
// bandwidth if reading an op's weights takes longer. Ops that only move activations, which lie in caches, have no
// share.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <vector>

#include "backend/peak.h"
#include "base/cpu_info.h"
#include "check/ops.h"
#include "check/timing.h"

namespace mt::bench {
namespace {

using namespace check;

// The shapes of which docs and README give figures.
const ModelShape kShapes[] = {
    {"135M", 576, 1536, 9, 3, 64, 49152},
    {"110M", 768, 2048, 12, 12, 64, 32000},
    {"1.1B", 2048, 5632, 32, 4, 64, 32000},
};

struct Options {
  bool json = false;
  int threads = usable_threads();
  std::string op, shape, dtype;
  int rows = 0;
  double seconds = 0.3;  // how long a case is timed
};

double flops_of(const Peaks& peaks, const std::string& instruction) {
  for (const Peaks::Arithmetic& a : peaks.arithmetic)
    if (a.instruction == instruction) return a.flops;
  return 0;
}

void report(const Options& o, const Peaks& peaks, Backend& backend, const OpKind& kind, const OpCase& c) {
  const OpTiming t = time_op(backend, kind, c, o.seconds, {});
  const std::string &peak = peaks.by_dtype[static_cast<int>(c.dtype)], dtype(dtype_name(c.dtype));
  const double arithmetic = t.flops / flops_of(peaks, peak), memory = t.from_memory ? t.memory_bytes / peaks.read : 0;
  const char* limit = arithmetic + memory == 0 ? "-" : memory > arithmetic ? "read" : peak.c_str();
  const double share = 100 * std::max(arithmetic, memory) / t.median;
  const int cache = c.trees[0].segment, rows = c.trees[0].branches[0];
  if (o.json) {
    std::printf(
        "{\"op\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"backend\":\"%s\",\"threads\":%d,\"rows\":%d,"
        "\"cache\":%d,\"us\":%.2f,\"us_p10\":%.2f,\"us_p90\":%.2f,\"gflops\":%.1f,\"gbytes\":%.1f,"
        "\"limit\":\"%s\",\"share\":%.1f}\n",
        kind.name, c.shape.name, dtype.c_str(), backend.name().c_str(), o.threads, rows, cache, t.median * 1e6,
        t.low * 1e6, t.high * 1e6, t.flops / t.median / 1e9, t.bytes / t.median / 1e9, limit, share);
  } else {
    const std::string length = cache > 0 ? "cache " + std::to_string(cache) : "M " + std::to_string(rows);
    std::printf("%-16s %-5s %-9s %-11s %10.1f (%.1f .. %.1f) us %8.1f GFLOP/s %7.1f GB/s  %5.1f %% of %s\n", kind.name,
                c.shape.name, dtype.c_str(), length.c_str(), t.median * 1e6, t.low * 1e6, t.high * 1e6,
                t.flops / t.median / 1e9, t.bytes / t.median / 1e9, share, limit);
  }
  std::fflush(stdout);
}

int usage(const char* argument) {
  std::fprintf(
      stderr,
      "ops_bench: \"%s\" is no option of it\n"
      "ops_bench [--json] [--threads N] [--op NAME] [--shape NAME] [--dtype NAME] [--rows N] [--time SECONDS]\n",
      argument);
  return 2;
}

int run(int count, char** arguments) {
  Options o;
  for (int i = 1; i < count; i++) {
    const std::string name = arguments[i];
    if (name == "--json") {
      o.json = true;
      continue;
    }
    if (i + 1 == count) return usage(arguments[i]);
    const char* value = arguments[++i];
    if (name == "--threads")
      o.threads = std::atoi(value);
    else if (name == "--op")
      o.op = value;
    else if (name == "--shape")
      o.shape = value;
    else if (name == "--dtype")
      o.dtype = value;
    else if (name == "--rows")
      o.rows = std::atoi(value);
    else if (name == "--time")
      o.seconds = std::atof(value);
    else
      return usage(arguments[i - 1]);
  }
  const Peaks peaks = measure_cpu_peaks(o.threads, {});
  const auto backend = make_cpu_backend(o.threads);
  if (!o.json) std::printf("%s, %d threads, %s\n", processor_name().c_str(), o.threads, backend->name().c_str());
  if (!o.json) {
    for (const Peaks::Arithmetic& a : peaks.arithmetic)
      std::printf("peak %-12s %8.1f GFLOP/s\n", a.instruction.c_str(), a.flops / 1e9);
    std::printf("peak %-12s %8.1f GB/s\n", "read", peaks.read / 1e9);
  }
  std::vector<const OpKind*> kinds(std::begin(kForwardOps), std::end(kForwardOps));
  kinds.insert(kinds.end(), std::begin(kBackwardOps), std::end(kBackwardOps));
  for (const ModelShape& shape : kShapes)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16})
      for (const OpKind* kind : kinds) {
        const bool trains = std::find(std::begin(kBackwardOps), std::end(kBackwardOps), kind) != std::end(kBackwardOps);
        if (!o.op.empty() && o.op != kind->name) continue;
        if (!o.shape.empty() && o.shape != shape.name) continue;
        if (!o.dtype.empty() && o.dtype != dtype_name(dtype)) continue;
        if (trains && dtype == DType::kFloat16) continue;
        for (const int rows : {1, 64, 512, 2048}) {
          if (o.rows && o.rows != rows) continue;
          const bool keeps_logits = kind == &head_logits || kind == &head_sample;
          if (keeps_logits && rows > 64) continue;  // gigabytes
          report(o, peaks, *backend, *kind, {.shape = shape, .dtype = dtype, .trees = plain(rows)});
        }
        if (kind == &attention && !o.rows)
          report(o, peaks, *backend, *kind, {.shape = shape, .dtype = dtype, .trees = decode(2048)});
      }
  return 0;
}

}  // namespace
}  // namespace mt::bench

int main(int count, char** arguments) { return mt::bench::run(count, arguments); }
