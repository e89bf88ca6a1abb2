// The backend over one GPU, or over the simulator.
#pragma once
#include <memory>

#include "../backend.h"
#include "ops/ops.h"

namespace mt::MT_TARGET {

// Throws DEVICE_UNAVAILABLE, with the reason. `tiling` is for tests.
std::unique_ptr<Backend> make_backend(int ordinal, Tiling tiling = Tiling::kAuto);

}  // namespace mt::MT_TARGET
