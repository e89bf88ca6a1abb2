// An operator new whose n-th call fails. It is that of the whole program or addon which includes this, in one file.
// Every thread counts.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace mt::test {

// What the allocator is to do. The words may lie in memory that another program writes.
struct AllocatorOrders {
  std::atomic<int32_t> left{0};      // allocations until one fails; 0 or less after that, and where none is to fail
  std::atomic<int32_t> all_fail{0};  // whether those that come once `left` is 0 fail too
};

inline AllocatorOrders own_orders;
inline AllocatorOrders* orders = &own_orders;
// Whether an allocation that the calling thread makes now always succeeds, and is not counted. Null where none is so.
inline bool (*is_exempt)() = nullptr;

inline bool allocation_fails() {
  if (is_exempt && is_exempt()) return false;
  if (orders->left.load(std::memory_order_relaxed) <= 0) return orders->all_fail != 0;
  return orders->left.fetch_sub(1) == 1;
}

inline void* allocate(size_t bytes, size_t alignment) noexcept {
  if (allocation_fails()) return nullptr;
  void* p = nullptr;
  return posix_memalign(&p, alignment, bytes ? bytes : 1) == 0 ? p : nullptr;
}

inline void* allocate_or_throw(size_t bytes, size_t alignment) {
  void* p = allocate(bytes, alignment);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace mt::test

void* operator new(size_t bytes) { return mt::test::allocate_or_throw(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return mt::test::allocate(bytes, alignof(std::max_align_t));
}
void* operator new(size_t bytes, std::align_val_t to) { return mt::test::allocate_or_throw(bytes, size_t(to)); }
void* operator new(size_t bytes, std::align_val_t to, const std::nothrow_t&) noexcept {
  return mt::test::allocate(bytes, size_t(to));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
