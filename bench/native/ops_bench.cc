// Times every op of the CPU backend at the shapes of test/native/cases.h, beside the peaks measured in the same run.
//   ops_bench [--json] [--threads N] [--op NAME] [--shape NAME] [--dtype NAME] [--rows N] [--time SECONDS]
// MT_LLAMA_CPU chooses the variant. A share is of the peak of the instruction that the op's dtype goes through, or of
// the read bandwidth where an op does less arithmetic than that takes time; above 100 % the data came from a cache.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "backend/backend.h"
#include "base/cpu_info.h"
#include "op_run.h"
#include "peak.h"

namespace mt::bench {
namespace {

struct Options {
  bool json = false;
  int threads = usable_threads();
  std::string op, shape, dtype;
  int rows = 0;
  double seconds = 0.3;  // of timing a case
};

struct Timing {
  double median;  // seconds
  double low;     // 10th percentile
  double high;    // 90th percentile
};

Timing time_runs(test::OpRun& run, double seconds) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  run.run();
  const auto begin = Clock::now();
  while (times.size() < 5 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds) {
    const auto start = Clock::now();
    run.run();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() / 10], times[times.size() - 1 - times.size() / 10]};
}

double peak_of(const std::vector<Peak>& peaks, const std::string& name) {
  for (const Peak& p : peaks)
    if (p.name == name) return p.value;
  return 0;
}

// The peak of what multiplies weights of this dtype in this variant: bf16 without bf16 instructions is widened.
std::string instruction(const std::string& variant, DType dtype) {
  const bool bf16 = variant == "amx_bf16" || variant == "avx512_bf16";
  return bf16 && dtype != DType::kBFloat16 ? "avx512" : variant;
}

void report(const Options& o, const std::vector<Peak>& peaks, Backend& backend, const test::OpCase& c) {
  test::OpRun run(backend, c);
  const Timing t = time_runs(run, o.seconds);
  const std::string variant = backend.name().substr(4), peak = instruction(variant, c.dtype);
  const double arithmetic = run.flops() / (peak_of(peaks, peak) * 1e9),
               memory = run.bytes() / (peak_of(peaks, "read") * 1e9);
  const bool bound_by_memory = memory > arithmetic;
  const double share = 100 * std::max(arithmetic, memory) / t.median;
  const std::string length =
      c.trees[0].segment > 0 ? "cache " + std::to_string(c.trees[0].segment) : "M " + std::to_string(run.rows());
  if (o.json) {
    std::printf(
        "{\"op\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"variant\":\"%s\",\"threads\":%d,\"rows\":%d,"
        "\"cache\":%d,\"us\":%.2f,\"us_p10\":%.2f,\"us_p90\":%.2f,\"gflops\":%.1f,\"gbytes\":%.1f,"
        "\"limit\":\"%s\",\"share\":%.1f}\n",
        test::op_name(c.op), c.shape.name, std::string(dtype_name(c.dtype)).c_str(), variant.c_str(), o.threads,
        run.rows(), c.trees[0].segment, t.median * 1e6, t.low * 1e6, t.high * 1e6, run.flops() / t.median / 1e9,
        run.bytes() / t.median / 1e9, bound_by_memory ? "read" : peak.c_str(), share);
  } else {
    std::printf("%-16s %-5s %-9s %-11s %10.1f (%.1f .. %.1f) us %8.1f GFLOP/s %7.1f GB/s  %5.1f %% of %s\n",
                test::op_name(c.op), c.shape.name, std::string(dtype_name(c.dtype)).c_str(), length.c_str(),
                t.median * 1e6, t.low * 1e6, t.high * 1e6, run.flops() / t.median / 1e9, run.bytes() / t.median / 1e9,
                share, bound_by_memory ? "read" : peak.c_str());
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
  const std::vector<Peak> peaks = measure_peaks(o.threads);
  const auto backend = make_cpu_backend(o.threads);
  if (!o.json) std::printf("%s, %d threads, %s\n", processor_name().c_str(), o.threads, backend->name().c_str());
  for (const Peak& p : peaks) {
    if (o.json)
      std::printf("{\"processor\":\"%s\",\"threads\":%d,\"peak\":\"%s\",\"value\":%.1f}\n", processor_name().c_str(),
                  o.threads, p.name.c_str(), p.value);
    else
      std::printf("peak %-12s %8.1f %s\n", p.name.c_str(), p.value, p.name == "read" ? "GB/s" : "GFLOP/s");
  }
  for (const test::ModelShape& shape : test::kBenchShapes)
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16})
      for (const auto& op : test::kOps) {
        if (!o.op.empty() && o.op != op.name) continue;
        if (!o.shape.empty() && o.shape != shape.name) continue;
        if (!o.dtype.empty() && o.dtype != dtype_name(dtype)) continue;
        for (const int rows : {1, 64, 512, 2048}) {
          if (o.rows && o.rows != rows) continue;
          if (op.op == test::Op::kHeadLogits && rows > 64) continue;  // gigabytes of logits
          report(o, peaks, *backend, {op.op, shape, dtype, test::plain(rows)});
        }
        if (op.op == test::Op::kAttention && !o.rows)
          report(o, peaks, *backend, {op.op, shape, dtype, test::decode(2048)});
      }
  return 0;
}

}  // namespace
}  // namespace mt::bench

int main(int count, char** arguments) { return mt::bench::run(count, arguments); }
