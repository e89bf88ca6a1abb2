// Places views one after another in one piece of memory.
#pragma once
#include <cstddef>
#include <initializer_list>

#include "../backend/device.h"

namespace mt {

// Sets each view's data, from `base` on, which may be null. Returns the bytes that they take. A view begins at a
// multiple of 256 bytes: whole cache lines, and more than any load or copy needs.
inline size_t place_views(std::byte* base, std::initializer_list<View*> views) {
  size_t offset = 0;
  for (View* view : views) {
    view->data = base ? base + offset : nullptr;
    offset += (static_cast<size_t>(view->rows) * view->cols * dtype_size(view->dtype) + 255) / 256 * 256;
  }
  return offset;
}

}  // namespace mt
