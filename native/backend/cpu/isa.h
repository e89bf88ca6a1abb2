// Marks regions of a file that are compiled for one instruction set; everything outside is compiled for the baseline.
// Standard headers come before such a region, nothing of std:: is instantiated inside it, and everything in it has
// internal linkage. Otherwise the linker could take an inline function from here in place of the same function compiled
// for the baseline.
#pragma once

#define MT_ISA_STRING(x) #x
#define MT_ISA_PRAGMA(x) _Pragma(MT_ISA_STRING(x))
#if defined(__clang__)
#define MT_ISA_BEGIN(target_list) \
  MT_ISA_PRAGMA(clang attribute push(__attribute__((target(target_list))), apply_to = function))
#define MT_ISA_END MT_ISA_PRAGMA(clang attribute pop)
#else
#define MT_ISA_BEGIN(target_list) MT_ISA_PRAGMA(GCC push_options) MT_ISA_PRAGMA(GCC target(target_list))
#define MT_ISA_END MT_ISA_PRAGMA(GCC pop_options)
#endif

#if defined(__x86_64__)
#define MT_X86 1
#else
#define MT_X86 0
#endif
