// Regions of a file compiled for one instruction set; everything outside stays baseline.
// Standard headers come before the region, nothing of std:: is instantiated inside it, and all of it has internal
// linkage: an inline function compiled here may not replace its baseline twin at link time.
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
