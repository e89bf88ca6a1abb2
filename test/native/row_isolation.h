// What every backend promises of numbers that are not finite: no bit of a row changes by a NaN or an infinity in a row
// that it does not see.
#pragma once
#include <memory>
#include <string>

#include "../../native/model/llama.h"

namespace mt::test {

// Every op, with rows of its inputs spoilt in turn. `shows`: a row that sees a value that is not finite is not finite
// there. Every `step`-th case runs.
void ops_keep_rows_apart(Backend& backend, DType dtype, bool shows, int step);

// Scores and generated tokens beside requests whose values overflow in the first layer.
void requests_keep_apart(std::unique_ptr<Backend> backend, DType dtype, bool shows);

}  // namespace mt::test
