// The backend over one GPU, or over the simulator.
#pragma once
#include <cstddef>
#include <memory>

#include "../backend.h"
#include "ops/ops.h"

namespace mt::MT_TARGET {

// Bytes that the partials or the logits of one part of the head's rows may take.
inline constexpr size_t kHeadBytes = 64u << 20;

// Throws DEVICE_UNAVAILABLE, with the reason. `tiling` and `head_bytes` are for tests.
std::unique_ptr<Backend> make_backend(int ordinal, Tiling tiling = Tiling::kAuto, size_t head_bytes = kHeadBytes);

}  // namespace mt::MT_TARGET
