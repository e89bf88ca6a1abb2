// Finds the variants that this processor can run, by CPUID and by what the system saves.
#include "dispatch.h"

#include <cstdlib>
#include <cstring>

#include "../../base/error.h"
#include "../backend.h"

#if MT_X86
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace mt {
namespace cpu {
namespace {

bool supported_scalar() { return true; }

#if MT_X86
struct Cpuid {
  explicit Cpuid(unsigned leaf, unsigned subleaf = 0) { __get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx); }
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

bool bit(unsigned word, int index) { return word >> index & 1; }

// Whether the system saves all registers in `mask`, by XCR0.
bool system_saves(unsigned mask) {
  if (!bit(Cpuid(1).ecx, 27)) return false;  // OSXSAVE
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}

bool supported_avx2() {
  const Cpuid one(1);
  return system_saves(0x6) && bit(one.ecx, 12) /* FMA */ && bit(one.ecx, 29) /* F16C */ && bit(Cpuid(7).ebx, 5);
}

bool supported_avx512() {
  const unsigned b = Cpuid(7).ebx;  // F, DQ, BW, VL
  return supported_avx2() && system_saves(0xe6) && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
}

bool supported_avx512_bf16() { return supported_avx512() && bit(Cpuid(7, 1).eax, 5); }

bool supported_amx_bf16() {
  const unsigned d = Cpuid(7).edx;  // AMX-BF16, AMX-TILE
  if (!supported_avx512_bf16() || !bit(d, 22) || !bit(d, 24) || !system_saves(0x60000)) return false;
#if defined(__linux__)
  // Linux gives a process the 8 KiB of tile registers only on request: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}
#endif

struct Variant {
  const char* name;
  bool (*supported)();
  const CpuKernels& (*kernels)();
};

constexpr Variant kVariants[] = {
#define X(name) {#name, supported_##name, kernels_##name},
#include "kernels.inc"
#undef X
};

}  // namespace

const CpuKernels& choose_kernels() {
  const char* wanted = std::getenv("MT_LLAMA_CPU");
  if (wanted && !*wanted) wanted = nullptr;
  std::string names;
  for (const Variant& v : kVariants) {
    if (!v.supported()) continue;
    if (!wanted || std::strcmp(wanted, v.name) == 0) return v.kernels();
    names += (names.empty() ? "" : ", ") + std::string(v.name);
  }
  throw Error(ErrorCode::DEVICE_UNAVAILABLE,
              "MT_LLAMA_CPU asks for \"" + std::string(wanted) + "\"; this processor has " + names);
}

}  // namespace cpu

std::vector<std::string> cpu_variants() {
  std::vector<std::string> names;
  for (const cpu::Variant& v : cpu::kVariants)
    if (v.supported()) names.push_back(v.name);
  return names;
}

}  // namespace mt
