// The operator new of the addon that tests build (MT_LLAMA_HOST_DEVICE): it fails when a test says so.
//   MT_LLAMA_FAILING_ALLOCATOR   a file of two int32, `left` and `all_fail`, that the test writes while the addon works
#include "../native/failing_allocator.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../native/simulator/fibers.h"

namespace mt::test {
namespace {

// Runs when the addon is loaded. Without the variable no allocation fails.
[[maybe_unused]] const bool listening = [] {
  const char* name = std::getenv("MT_LLAMA_FAILING_ALLOCATOR");
  if (!name) return false;
  const int file = open(name, O_RDWR);
  if (file < 0) return false;
  void* words = mmap(nullptr, sizeof(AllocatorOrders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (words == MAP_FAILED) return false;
  is_exempt = host_device::is_simulating;
  orders = static_cast<AllocatorOrders*>(words);
  return true;
}();

}  // namespace
}  // namespace mt::test
