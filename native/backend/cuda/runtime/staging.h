// Memory that is kept from pack to pack: pinned host memory through which copies go, and device memory that grows.
#pragma once
#include <memory>
#include <new>
#include <vector>

#include "runtime.h"

namespace mt::MT_TARGET {

// Pinned host memory that grows.
class PinnedMemory {
 public:
  explicit PinnedMemory(Device& device) : device_(device) {}
  ~PinnedMemory() { device_.free_pinned(data_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  // Returns at least `bytes`. What it returned before is gone then, so no queued copy may still use that.
  std::byte* get(size_t bytes);

 private:
  Device& device_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Pinned memory in pieces that take turns: the host fills one while copies out of the others are under way.
class UploadRing {
 public:
  UploadRing(Device& device, int pieces, Lane lane);
  ~UploadRing();

  // Returns the next piece, of at least `bytes`, once the copies out of it are done.
  std::byte* next(size_t bytes);
  // To be called when the copies out of that piece are queued. Whatever is queued on kCompute from now on waits for
  // them.
  void queued();
  // Waits until all copies are done.
  void wait();

 private:
  struct Piece {
    explicit Piece(Device& device) : memory(device), copied(device) {}
    PinnedMemory memory;
    Event copied;
  };

  const Lane lane_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  size_t at_ = 0;
  size_t bytes_ = 0;  // size of each piece
};

// Device memory for one purpose, which grows. It is used by work on kCompute only, whose order keeps one use from
// overwriting what the one before still reads.
class Scratch {
 public:
  template <class T>
  T* get(Device& device, size_t count) {
    return static_cast<T*>(bytes(device, count * sizeof(T)));
  }
  // Bytes that it may yet allocate if no request is larger than `bytes`.
  size_t missing(size_t bytes) const;

 private:
  void* bytes(Device& device, size_t bytes);

  std::unique_ptr<DeviceMemory> memory_;
};

// Device memory that users borrow: what one gives back, the next one gets.
class MemoryPool {
 public:
  explicit MemoryPool(Device& device) : device_(device) {}

  // Returns a piece of at least `bytes`.
  std::unique_ptr<DeviceMemory> take(size_t bytes);
  // Destructors give back: where there is no memory to note it, the piece is freed.
  void give(std::unique_ptr<DeviceMemory> memory) noexcept {
    try {
      free_.push_back(std::move(memory));
    } catch (const std::bad_alloc&) {
    }
  }
  // Bytes that take() would allocate.
  size_t missing(size_t bytes) const;

 private:
  std::vector<std::unique_ptr<DeviceMemory>>::const_iterator find(size_t bytes) const;

  Device& device_;
  std::vector<std::unique_ptr<DeviceMemory>> free_;
};

}  // namespace mt::MT_TARGET
