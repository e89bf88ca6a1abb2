// Aligned memory of the CPU backend.
#include "memory.h"

#include <cstring>
#include <new>
#include <string>

#include "../../base/error.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mt::cpu {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;

std::align_val_t alignment(size_t bytes) { return std::align_val_t{bytes >= 2 * kHugePage ? kHugePage : 64}; }
}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  data_ = operator new(bytes, alignment(bytes), std::nothrow);
  if (!data_)
    throw Error(ErrorCode::OUT_OF_MEMORY, "the system refused " + std::to_string(bytes) +
                                              " bytes for a buffer; use a smaller model, dtype or token budget");
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes >= 2 * kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // may fail, which changes no result
#endif
}

Memory::~Memory() {
  if (data_) operator delete(data_, alignment(bytes_));
}

void Memory::reserve_zeroed(size_t bytes) {
  if (bytes <= bytes_) return;
  *this = Memory(bytes);
  std::memset(data_, 0, bytes_);
}

}  // namespace mt::cpu
