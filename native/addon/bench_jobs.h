// The jobs of the benchmark: peaks of a device, and the time of an op (peaks() and timeOp() of src/native/types.ts).
#pragma once
#include "engine_thread.h"

namespace mt::addon {

std::unique_ptr<Job> new_peaks_job(const Napi::CallbackInfo& info);
std::unique_ptr<Job> new_time_op_job(const Napi::CallbackInfo& info);

}  // namespace mt::addon
