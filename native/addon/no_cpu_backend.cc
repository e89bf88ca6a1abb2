// Stands where the cpu backend is not linked in: leave one of the two out of the sources.
#include "../backend/backend.h"
#include "../base/error.h"

namespace mt {

std::unique_ptr<Backend> make_cpu_backend(int) {
  throw Error(ErrorCode::DEVICE_UNAVAILABLE, "this build has no cpu backend; device 'reference' is there");
}

std::vector<std::string> cpu_variants() { return {}; }

}  // namespace mt
