// Views and matrices as the CPU backend reads them: its device memory is the process's own.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../device.h"
#include "matrix.h"

namespace mt::cpu {

inline float* floats(View x) { return static_cast<float*>(x.data); }
inline float* floats(View x, int row) { return floats(x) + size_t(row) * x.cols; }
inline uint16_t* halves(View x, int row) { return static_cast<uint16_t*>(x.data) + size_t(row) * x.cols; }
inline const CpuMatrix& packed(const Matrix& matrix) { return static_cast<const CpuMatrix&>(matrix); }
inline CpuMatrix& packed(Matrix& matrix) { return static_cast<CpuMatrix&>(matrix); }

}  // namespace mt::cpu
