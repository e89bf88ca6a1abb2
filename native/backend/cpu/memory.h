// Aligned memory of the CPU backend.
#pragma once
#include <cstddef>
#include <utility>

namespace mt::cpu {

// Memory aligned to 64 bytes. Large blocks are aligned to 2 MiB and use huge pages if the system has them.
// Throws OUT_OF_MEMORY. The contents are undefined.
class Memory {
 public:
  Memory() = default;
  explicit Memory(size_t bytes);
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory();

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  // Grows to at least `bytes` if it has less. All of it is zero then, and the old contents are lost.
  void reserve_zeroed(size_t bytes);

 private:
  void swap(Memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace mt::cpu
