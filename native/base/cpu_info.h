// What the machine says of its processor.
#pragma once
#include <string>

namespace mt {

// "Intel(R) Xeon(R) Processor"; the architecture's name where the processor does not say.
std::string processor_name();

// Logical processors this process may use: its affinity mask, and on Linux the quota of its control group. At least 1.
int usable_threads();

}  // namespace mt
