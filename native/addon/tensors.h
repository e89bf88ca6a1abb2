// Stored tensors as arguments, and reading their rows.
#pragma once
#include <memory>
#include <vector>

#include "../model/stored_tensor.h"
#include "engine_thread.h"

namespace mt::addon {

// Reads a list of tensors (NativeTensor of src/native/types.ts). Throws INVALID_ARGUMENT, TENSOR_DTYPE.
std::vector<StoredTensor> read_tensors(Napi::Value value);

// A job of readRows(tensor, headDim, first, count, type, control).
std::unique_ptr<Job> new_read_rows_job(const Napi::CallbackInfo& info);

}  // namespace mt::addon
