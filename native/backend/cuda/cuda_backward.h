// The ops of the backward pass and of the optimizer on a GPU.
#pragma once
#include <memory>

#include "context.h"

namespace mt::MT_TARGET {

std::unique_ptr<BackwardOps> make_backward_ops(DeviceContext& context);

}  // namespace mt::MT_TARGET
