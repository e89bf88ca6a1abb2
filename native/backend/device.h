// What holds the memory that ops work in, and how bytes reach it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "../base/dtype.h"

namespace mt {

// Rows of numbers on the device, row-major and dense. A view does not own its memory.
struct View {
  void* data = nullptr;
  int rows = 0;
  int cols = 0;
  DType dtype = DType::kFloat32;

  // `count` rows from `first` on.
  View part(int first, int count) const {
    const size_t offset = static_cast<size_t>(first) * cols * dtype_size(dtype);
    return {static_cast<std::byte*>(data) + offset, count, cols, dtype};
  }
};

// Memory on the device, aligned to at least 64 bytes. It is freed with the object.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* data() = 0;
  virtual size_t bytes() const = 0;
};

// A device owns its memory: a View's `data` is an address on the device and only upload() and download() cross over.
// Ops are queued in order; download() and ops with results on the host wait for what they need. One thread calls a
// device at a time.
class ComputeDevice {
 public:
  virtual ~ComputeDevice() = default;

  // "reference", "cpu avx512_bf16", "cuda NVIDIA H100": for people.
  virtual std::string name() const = 0;

  // Throws OUT_OF_MEMORY. The contents are undefined.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  // Bytes that allocate() can still give. SIZE_MAX if the device uses the machine's memory.
  virtual size_t free_bytes() { return SIZE_MAX; }
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  // From one place on the device to another; the two do not overlap.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  // Returns when all queued ops are done. A device without a queue has nothing to wait for.
  virtual void wait() {}
};

}  // namespace mt
