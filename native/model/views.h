// Places views one after another in one piece of memory.
#pragma once
#include <cstddef>
#include <initializer_list>

#include "../backend/device.h"
#include "../base/sizes.h"

namespace mt {

// Sets each view's data, from `base` on, which may be null. Returns the bytes that they take.
inline size_t place_views(std::byte* base, std::initializer_list<View*> views) {
  size_t offset = 0;
  for (View* view : views) {
    view->data = base ? base + offset : nullptr;
    offset += placed_bytes(static_cast<size_t>(view->rows) * view->cols * dtype_size(view->dtype));
  }
  return offset;
}

}  // namespace mt
