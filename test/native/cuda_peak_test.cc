// The peaks of the CUDA backend: every instruction that its products can use has a rate. The rates of the simulator
// mean nothing, but all kernels run in it, those for Hopper too.
#include <algorithm>
#include <cmath>

#include "backend/cuda/peak/peak.h"
#include "check.h"
#include "cuda_target.h"

namespace mt::test {
namespace {

using Names = std::vector<std::string>;

Names instructions(const Peaks& peaks) {
  Names names;
  for (const Peaks::Arithmetic& a : peaks.arithmetic) {
    names.push_back(a.instruction);
    check(std::isfinite(a.flops) && a.flops > 0, "%s: %g FLOP/s", a.instruction.c_str(), a.flops);
  }
  return names;
}

void test_peaks() {
  const Peaks peaks = MT_TARGET::measure_peaks(0, {});
  const Names names = instructions(peaks);
  check(std::isfinite(peaks.read) && peaks.read > 0, "read: %g bytes/s", peaks.read);
  std::string reason;
  const bool hopper = MT_TARGET::list_devices(reason).at(0).major == 9;
  const std::string halves = hopper ? "wgmma " : "mma.sync ";
  CHECK_EQ(peaks.by_dtype[static_cast<int>(DType::kFloat32)], "fma");
  CHECK_EQ(peaks.by_dtype[static_cast<int>(DType::kBFloat16)], halves + "bf16");
  CHECK_EQ(peaks.by_dtype[static_cast<int>(DType::kFloat16)], halves + "f16");
  for (const std::string& name : peaks.by_dtype)
    check(std::count(names.begin(), names.end(), name) == 1, "%s is there once", name.c_str());
}

void test_abort() {
  int32_t words[2] = {1, 0};
  try {
    MT_TARGET::measure_peaks(0, Control(words));
    check(false, "a cancelled measurement ended well");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::ABORTED);
  }
}

}  // namespace
}  // namespace mt::test

int main() {
  using namespace mt::test;
  if (no_device()) return kSkipped;
  for (const int major : {8, 9}) {
    pretend_capability(major);
    test_peaks();
  }
  test_abort();
  return finish("cuda_peak_test");
}
