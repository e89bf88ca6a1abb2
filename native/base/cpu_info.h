// The processor of this machine.
#pragma once
#include <string>

namespace mt {

// "Intel(R) Xeon(R) Processor", or the name of the architecture if the processor has no name.
std::string processor_name();

// Logical processors this process may use: its affinity mask, and on Linux the quota of its control group. At least 1.
int usable_threads();

}  // namespace mt
