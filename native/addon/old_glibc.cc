// Lets an addon that was built on a newer Linux load with glibc 2.28: RHEL 8, Debian 10, Ubuntu 20.04 and all that
// follow.
//
// Linking takes the newest version of each symbol that the glibc at hand has. What is defined here takes the place of
// the symbols that came after 2.28, in the addon's own code and in what is linked into it (libstdc++, libgcc, the CUDA
// runtime), and hands on to what 2.28 has as well. scripts/package.mjs refuses a prebuild that still asks for something
// newer.
#include <features.h>

// AddressSanitizer itself defines functions of these names.
#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__)) && !defined(__SANITIZE_ADDRESS__)

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <cstdint>

// The version of the symbols that glibc has had from the start on this processor.
#ifdef __x86_64__
#define FIRST "GLIBC_2.2.5"
#define JUMP "jmp"
#define TARGET "@PLT"
#else
#define FIRST "GLIBC_2.17"
#define JUMP "b"
#define TARGET ""
#endif

// use_old NAME, VERSION defines NAME as a jump to that version of it. Each has a section of its own, because the linker
// drops a section that nobody calls.
asm(R"(
.macro use_old name, version=)" FIRST R"(
.pushsection .text.use_old.\name, "ax", %progbits
.symver old_\name, \name\()@\version
.globl \name
.hidden \name
.type \name, %function
\name: )" JUMP R"( old_\name)" TARGET R"(
.size \name, . - \name
.popsection
.endm)");

// 2.29: since then these no longer report errors by matherr. Their results have the same bits.
#if __GLIBC_PREREQ(2, 29)
asm("use_old exp; use_old log; use_old pow");
#endif

// 2.32: this says whether the process has had only one thread, so that reference counts need no atomic instructions.
// It has more.
#if __GLIBC_PREREQ(2, 32)
extern "C" {
[[gnu::visibility("hidden")]] extern char __libc_single_threaded;
char __libc_single_threaded = 0;
}
#endif

// 2.33: these became functions; before they were inline calls of __fxstat with the version of the struct. 64-bit
// processors have one struct and one call for both names.
#if __GLIBC_PREREQ(2, 33)
extern "C" {
asm(".symver old_fxstat,__fxstat@" FIRST);
int old_fxstat(int version, int descriptor, struct stat* info);

[[gnu::visibility("hidden")]] int old_fstat(int descriptor, struct stat* info) asm("fstat64");
[[gnu::visibility("hidden"), gnu::alias("fstat64")]] int old_fstat_alias(int, struct stat*) asm("fstat");
int old_fstat(int descriptor, struct stat* info) {
#ifdef __x86_64__
  return old_fxstat(1, descriptor, info);
#else
  return old_fxstat(0, descriptor, info);
#endif
}
}
#endif

// 2.34: libpthread, libdl and librt became part of libc. These are what libstdc++ and the CUDA runtime take from them.
#if __GLIBC_PREREQ(2, 34)
asm(".irp name, create, detach, getspecific, join, key_create, key_delete, kill, once, setspecific,"
    "condattr_setpshared, mutex_trylock, mutexattr_destroy, mutexattr_init, mutexattr_setpshared, mutexattr_settype,"
    "rwlock_destroy, rwlock_init, rwlock_rdlock, rwlock_timedrdlock, rwlock_timedwrlock, rwlock_tryrdlock,"
    "rwlock_trywrlock, rwlock_unlock, rwlock_wrlock, rwlockattr_destroy, rwlockattr_init, rwlockattr_setpshared,"
    "spin_destroy, spin_init, spin_lock, spin_trylock, spin_unlock\n"
    "use_old pthread_\\name\n.endr");
asm(".irp name, __pthread_key_create, dlclose, dlerror, dlopen, dlsym, dlvsym,"
    "sem_destroy, sem_init, sem_post, sem_timedwait, sem_trywait, sem_wait, shm_open, shm_unlink\n"
    "use_old \\name\n.endr");
#ifdef __x86_64__
asm("use_old dlmopen, GLIBC_2.3.4");
#else
asm("use_old dlmopen");
#endif
#endif

// 2.35: libgcc's unwinder calls this to find the tables of the object that holds an instruction.
#ifdef DLFO_STRUCT_HAS_EH_DBASE
namespace {

struct Search {
  uintptr_t address;
  dl_find_object* found;
};

int look_at(dl_phdr_info* object, size_t, void* data) {
  auto& [address, found] = *static_cast<Search*>(data);
  const ElfW(Phdr)* tables = nullptr;
  bool holds = false;
  uintptr_t start = UINTPTR_MAX, end = 0;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    const uintptr_t from = object->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_GNU_EH_FRAME) tables = &header;
    if (header.p_type != PT_LOAD) continue;
    if (from < start) start = from;
    if (from + header.p_memsz > end) end = from + header.p_memsz;
    if (address - from < header.p_memsz) holds = true;
  }
  if (!holds) return 0;
  if (!tables) return -1;
  *found = {};
  found->dlfo_map_start = reinterpret_cast<void*>(start);
  found->dlfo_map_end = reinterpret_cast<void*>(end);
  found->dlfo_eh_frame = reinterpret_cast<void*>(object->dlpi_addr + tables->p_vaddr);
  return 1;
}

}  // namespace

extern "C" [[gnu::visibility("hidden")]] int _dl_find_object(void* address, dl_find_object* found) noexcept {
  Search search{reinterpret_cast<uintptr_t>(address), found};
  return dl_iterate_phdr(look_at, &search) == 1 ? 0 : -1;
}
#endif

#endif
