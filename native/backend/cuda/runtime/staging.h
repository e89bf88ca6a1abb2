// Memory that is kept from pack to pack: pinned memory on the way to and from the device, and device memory that grows.
#pragma once
#include <memory>
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

  // At least `bytes`; no queued copy may use what it held.
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

  // The next piece, of at least `bytes`, once the copies out of it are done.
  std::byte* next(size_t bytes);
  // To be called when the copies out of that piece are queued. What kCompute gets from now on waits for them.
  void queued();
  // Until all copies are done.
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
  size_t bytes_ = 0;  // of each piece
};

// Device memory for one purpose, which grows. What is queued on kCompute is done with it before it is written again.
class Scratch {
 public:
  template <class T>
  T* get(Device& device, size_t count) {
    return static_cast<T*>(bytes(device, count * sizeof(T)));
  }
  // Bytes that it may yet take where none is larger than this.
  size_t missing(size_t bytes) const;

 private:
  void* bytes(Device& device, size_t bytes);

  std::unique_ptr<DeviceMemory> memory_;
};

// Device memory for things that come and go: what one gives back, the next gets.
class MemoryPool {
 public:
  explicit MemoryPool(Device& device) : device_(device) {}

  // Of at least `bytes`.
  std::unique_ptr<DeviceMemory> take(size_t bytes);
  void give(std::unique_ptr<DeviceMemory> memory) { free_.push_back(std::move(memory)); }
  // Bytes that take() asks for.
  size_t missing(size_t bytes) const;

 private:
  std::vector<std::unique_ptr<DeviceMemory>>::const_iterator find(size_t bytes) const;

  Device& device_;
  std::vector<std::unique_ptr<DeviceMemory>> free_;
};

}  // namespace mt::MT_TARGET
