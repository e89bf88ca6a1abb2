// What the forward and the backward ops of a GPU share: the device, memory through which numbers go, and the operands
// of matrix products.
#pragma once
#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>

#include "../../base/error.h"
#include "gemm/matrix.h"
#include "ops/ops.h"
#include "pack.h"

namespace mt::MT_TARGET {

inline const DeviceMatrix& packed(const Matrix& matrix) { return static_cast<const DeviceMatrix&>(matrix); }
inline DeviceMatrix& packed(Matrix& matrix) { return static_cast<DeviceMatrix&>(matrix); }
inline float* floats(View x) { return static_cast<float*>(x.data); }

// Calls body(T{}), T being the type of the dtype.
template <class Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kFloat32:
      return body(float{});
    case DType::kBFloat16:
      return body(bf16{});
    case DType::kFloat16:
      return body(f16{});
  }
}

// The same for the types in which models are trained.
template <class Body>
void with_trained_type(DType dtype, const Body& body) {
  if (dtype == DType::kFloat32) return body(float{});
  if (dtype == DType::kBFloat16) return body(bf16{});
  throw Error(ErrorCode::INTERNAL, "a GPU does not train in float16");
}

class DeviceContext {
 public:
  DeviceContext(int ordinal, Tiling tiling, size_t head_bytes)
      : device(ordinal), tiling_(tiling), head_bytes_(head_bytes) {}

  // ---- parts of the head's rows, whose scratch memory is bounded ----

  int rows_at_once(size_t bytes_per_row) const { return std::max(16, static_cast<int>(head_bytes_ / bytes_per_row)); }
  // Computes the logits of a few rows in scratch memory, which the next call overwrites.
  float* some_logits(View h, const Matrix& w) {
    float* logits = head.get<float>(device, static_cast<size_t>(h.rows) * w.rows);
    product(h, w, logits);
    return logits;
  }

  // ---- matrix products ----

  Tiling tiling() const { return tiling_; }
  // Calls body(operands), the operands being those of the product of the rows of `a` with w.
  template <class Body>
  void multiply(View a, const Matrix& w, const Body& body) {
    if (a.rows == 0) return;
    const RowLayout& layout = packed(w).layout();
    with_type(w.dtype, [&](auto t) {
      using T = decltype(t);
      const T* rows = static_cast<const T*>(a.data);
      if (layout.stride != a.cols || !is_aligned(rows, 16)) {
        T* padded_rows = padded.get<T>(device, a.rows * layout.stride);
        pad_rows(device, rows, a.rows, a.cols, layout.stride, padded_rows);
        rows = padded_rows;
      }
      const T* weights = static_cast<const T*>(packed(w).data());
      body(GemmOperands<T>{rows, weights, a.rows, layout.packed_rows, a.cols, layout.stride, tiling_});
    });
  }
  // y[rows, rows of w] = a w^T + z b^T + bias, in the order of the weight's rows whatever its kind
  void product(View a, const Matrix& w, float* y, View bias = {}, const LowRank& added = {}) {
    multiply(a, w, [&](const auto& g) {
      MT_TARGET::product(device, g, {y, w.rows, floats(bias), packed(w).layout().places, false});
    });
    if (!added.b) return;
    multiply(added.z, *added.b, [&](const auto& g) {
      MT_TARGET::product(device, g, {y, w.rows, nullptr, packed(*added.b).layout().places, true});
    });
  }

  // The same into scratch memory, which the next call overwrites.
  float* wide_product(View a, const Matrix& w, View bias, const LowRank& added) {
    float* y = wide.get<float>(device, static_cast<size_t>(a.rows) * w.rows);
    product(a, w, y, bias, added);
    return y;
  }

  // ---- numbers of rows that cross over ----

  template <class T>
  void upload_rows(T* to, std::span<const T> values) {
    std::byte* piece = packs_ring.next(values.size_bytes());
    std::memcpy(piece, values.data(), values.size_bytes());
    device.queue_upload(to, 0, piece, values.size_bytes(), 1, Lane::kCompute);
    packs_ring.queued();
  }

  // Returns `count` values of the device once all ops are done. They stay until the next call.
  template <class T>
  const T* fetch(const void* from, size_t count) {
    std::byte* back = back_.get(count * sizeof(T));
    device.queue_download(back, from, count * sizeof(T));
    device.wait();
    return reinterpret_cast<const T*>(back);
  }

  Device device;
  // A pack takes two pieces, and there are two packs: the host prepares one while the other may still be copied.
  UploadRing packs_ring{device, 4, Lane::kCompute};
  Scratch padded, head, head_rows;
  Scratch wide;  // products that another kernel reads

 private:
  Tiling tiling_;
  size_t head_bytes_;
  PinnedMemory back_{device};
};

}  // namespace mt::MT_TARGET
